// Every symbol of the native library, and nothing else of it anywhere: see native/kernels/include/tercet_kernels.h.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TercetError } from '@tercet/contracts';
import koffi, { type KoffiFunc, type LibraryHandle } from 'koffi';

const abi = 3;
const suffix = process.platform === 'darwin' ? 'dylib' : 'so';
const builtPath = fileURLToPath(
  new URL(`../../../../native/kernels/dist/libtercet_kernels.${suffix}`, import.meta.url),
);

export interface NativeLibrary {
  readonly variant: string;
  readonly crc32: (bytes: Uint8Array, count: number, seed: number) => number;
  readonly crc32Scalar: (bytes: Uint8Array, count: number, seed: number) => number;
  readonly copyCrc32: (out: Uint8Array, source: Uint8Array, count: number, seed: number) => number;
  readonly copyCrc32Scalar: (out: Uint8Array, source: Uint8Array, count: number, seed: number) => number;
  readonly largest: (values: Float32Array, count: number) => number;
  readonly vectors: NativeVectors;
}

/** Returns a status; `async` runs on a thread of its own and calls back with it. */
export type NativeFunction = KoffiFunc<(...given: unknown[]) => number>;

/** Functions of the vector index: see native/kernels/include/tercet_vectors.h. A graph is the struct of that header. */
export interface NativeVectors {
  readonly variant: string;
  readonly search: NativeFunction;
  readonly scan: NativeFunction;
  readonly insert: NativeFunction;
  readonly remove: NativeFunction;
  readonly distances: NativeFunction;
  readonly distancesScalar: NativeFunction;
  readonly decode: NativeFunction;
  readonly reserve: (bytes: number) => number;
  readonly release: (address: number, bytes: number) => number;
  readonly free: (address: number, bytes: number) => number;
}

/**
 * The library where it was built, `undefined` where it was not. @throws engine_incompatible when it is another version
 */
export function tryOpenLibrary(path: string = builtPath): NativeLibrary | undefined {
  if (!existsSync(path)) return undefined;
  const library = koffi.load(path);
  const found = library.func('int32_t tercet_kernels_abi()')() as number;
  if (found !== abi) throw new TercetError('engine_incompatible', { library: 'tercet_kernels', found, expected: abi });
  const sum = '(const uint8_t *bytes, size_t count, uint32_t seed)';
  const copy = '(uint8_t *out, const uint8_t *source, size_t count, uint32_t seed)';
  return {
    variant: library.func('const char *tercet_kernels_variant()')() as string,
    crc32: library.func(`uint32_t tercet_crc32${sum}`),
    crc32Scalar: library.func(`uint32_t tercet_crc32_scalar${sum}`),
    copyCrc32: library.func(`uint32_t tercet_copy_crc32${copy}`),
    copyCrc32Scalar: library.func(`uint32_t tercet_copy_crc32_scalar${copy}`),
    largest: library.func('int64_t tercet_largest_f32(const float *values, size_t count)'),
    vectors: bindVectors(library),
  };
}

function bindVectors(library: LibraryHandle): NativeVectors {
  const results = 'uint32_t *slots, float *distances, uint32_t *counts, uint64_t *computations';
  const filter = 'const uint32_t *allow, uint64_t words, uint64_t threads';
  const asked = 'const uint64_t *graph, const float *queries, uint64_t count, uint64_t k';
  const rows = 'const uint64_t *graph, const uint32_t *slots';
  const compared = 'const uint64_t *graph, const float *query, const uint32_t *slots, uint64_t count, uint64_t level';
  return {
    variant: library.func('const char *tercet_vectors_variant()')() as string,
    search: library.func(`int32_t tercet_graph_search(${asked}, uint64_t ef, uint64_t rerank, ${filter}, ${results})`),
    scan: library.func(`int32_t tercet_graph_scan(${asked}, uint64_t rerank, ${filter}, ${results})`),
    insert: library.func(
      `int32_t tercet_graph_insert(${rows}, const float *vectors, uint64_t count, uint64_t threads)`,
    ),
    remove: library.func(`int32_t tercet_graph_remove(${rows}, uint64_t count)`),
    distances: library.func(`int32_t tercet_graph_distances(${compared}, float *out)`),
    distancesScalar: library.func(`int32_t tercet_graph_distances_scalar(${compared}, float *out)`),
    decode: library.func('int32_t tercet_graph_decode(const uint64_t *graph, uint32_t slot, float *out)'),
    reserve: library.func('int64_t tercet_memory_reserve(uint64_t bytes)'),
    release: library.func('int32_t tercet_memory_release(int64_t address, uint64_t bytes)'),
    free: library.func('int32_t tercet_memory_free(int64_t address, uint64_t bytes)'),
  };
}
