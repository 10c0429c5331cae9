import { TercetError } from '@tercet/contracts';
import {
  type GraphKernel,
  type GraphMemory,
  type KernelSearch,
  type MemoryRegion,
  noSlot,
  type SearchResult,
  type VectorKernels,
} from '@tercet/vector-index';
import koffi from 'koffi';
import { type NativeFunction, type NativeVectors, tryOpenLibrary } from './library.js';

/**
 * The native work of the vector index, where the library was built.
 * @throws engine_incompatible when the library on disk is another version
 */
export function tryVectorKernels(options: { readonly path?: string } = {}): VectorKernels | undefined {
  const library = tryOpenLibrary(options.path);
  if (library === undefined) return undefined;
  const { vectors } = library;
  return {
    variant: vectors.variant,
    isSlow: vectors.variant === 'scalar',
    reserve: (bytes) => new NativeRegion(vectors, bytes),
    open: (memory) => new NativeGraph(vectors, memory),
  };
}

const pageBytes = 4096;

/** Memory outside of the garbage collector's, at an address that it keeps. */
class NativeRegion implements MemoryRegion {
  readonly buffer: ArrayBuffer;
  readonly address: number;
  readonly #native: NativeVectors;

  constructor(native: NativeVectors, bytes: number) {
    this.#native = native;
    this.address = bytes === 0 ? 0 : native.reserve(bytes);
    if (bytes > 0 && this.address === 0) throw new TercetError('overloaded', { what: 'address space', bytes });
    this.buffer = bytes === 0 ? new ArrayBuffer(0) : (koffi.view(BigInt(this.address), bytes) as ArrayBuffer);
  }

  release(fromByte: number, toByte: number): void {
    const from = Math.ceil(fromByte / pageBytes) * pageBytes;
    const to = Math.floor(toByte / pageBytes) * pageBytes;
    if (to > from) this.#native.release(this.address + from, to - from);
  }

  free(): void {
    if (this.address !== 0) this.#native.free(this.address, this.buffer.byteLength);
  }
}

const metrics = { cosine: 0n, 'inner-product': 1n, l2: 2n } as const;
const codes = { float32: 0n, float16: 1n, lvq: 2n } as const;
/** Place of the one field of the struct that changes. */
const slotsField = 5;

class NativeGraph implements GraphKernel {
  readonly #native: NativeVectors;
  readonly #memory: GraphMemory;
  /** `tercet_graph`, which native threads read. */
  readonly #graph: BigUint64Array;

  constructor(native: NativeVectors, memory: GraphMemory) {
    this.#native = native;
    this.#memory = memory;
    this.#graph = structOf(memory);
  }

  insert(slots: Uint32Array, vectors: Float32Array, threads: number): void {
    this.#seeSlots();
    check(this.#native.insert(this.#graph, slots, vectors, slots.length, threads));
  }

  remove(slots: Uint32Array): void {
    check(this.#native.remove(this.#graph, slots, slots.length));
  }

  search(search: KernelSearch): SearchResult {
    return this.#run(this.#native.search, [search.ef, search.rerank], search);
  }

  scan(search: KernelSearch): SearchResult {
    return this.#run(this.#native.scan, [search.rerank], search);
  }

  searchAsync(search: KernelSearch): Promise<SearchResult> {
    return this.#runAsync(this.#native.search, [search.ef, search.rerank], search);
  }

  scanAsync(search: KernelSearch): Promise<SearchResult> {
    return this.#runAsync(this.#native.scan, [search.rerank], search);
  }

  distances(query: Float32Array, slots: Uint32Array, level: 1 | 2): Float32Array {
    const out = new Float32Array(slots.length);
    check(this.#native.distances(this.#graph, query, slots, slots.length, level, out));
    return out;
  }

  decode(slot: number): Float32Array {
    const out = new Float32Array(this.#memory.shape.dim);
    check(this.#native.decode(this.#graph, slot, out));
    return out;
  }

  #seeSlots(): void {
    Atomics.store(this.#graph, slotsField, BigInt(this.#memory.slotEnd));
  }

  #run(call: NativeFunction, lengths: readonly number[], search: KernelSearch): SearchResult {
    const answer = new Answer(search.queries.length / this.#memory.shape.dim, search.k);
    check(call(...this.#arguments(lengths, search, answer)));
    return answer.result();
  }

  #runAsync(call: NativeFunction, lengths: readonly number[], search: KernelSearch): Promise<SearchResult> {
    const answer = new Answer(search.queries.length / this.#memory.shape.dim, search.k);
    const given = this.#arguments(lengths, search, answer);
    return new Promise((resolve, reject) => {
      const done = (error: unknown, status: number) => {
        // `given` is held until here: native code reads and writes its arrays.
        if (error !== null) return reject(error instanceof Error ? error : new Error(String(error)));
        try {
          check(status);
          resolve(answer.result());
        } catch (failure) {
          reject(failure as Error);
        }
      };
      (call.async as (...given: unknown[]) => void)(...given, done);
    });
  }

  #arguments(lengths: readonly number[], { queries, k, allow, threads }: KernelSearch, answer: Answer): unknown[] {
    const count = queries.length / this.#memory.shape.dim;
    const { slots, distances, counts, computations } = answer;
    const filter = [allow ?? null, allow?.length ?? 0, threads];
    return [this.#graph, queries, count, k, ...lengths, ...filter, slots, distances, counts, computations];
  }
}

class Answer {
  readonly slots: Uint32Array;
  readonly distances: Float32Array;
  readonly counts: Uint32Array;
  readonly computations = new BigUint64Array(1);

  constructor(queries: number, k: number) {
    this.slots = new Uint32Array(queries * k).fill(noSlot);
    this.distances = new Float32Array(queries * k);
    this.counts = new Uint32Array(queries);
  }

  result(): SearchResult {
    const { slots, distances, counts, computations } = this;
    return { slots, distances, counts, distanceComputations: Number(computations[0]) };
  }
}

/** `tercet_graph` of the header, field by field. */
export function structOf(memory: GraphMemory): BigUint64Array {
  const { shape, regions, codeStride, restStride, slotEnd } = memory;
  const { code } = shape;
  const levels = code.kind === 'lvq' ? [code.bits, code.restBits] : [0, 0];
  const fields = [
    ...[regions.codes, regions.rests, regions.links, regions.states, regions.head].map(addressOf),
    ...[slotEnd, codeStride, restStride, shape.dim].map(BigInt),
    metrics[shape.metric],
    codes[code.kind],
    ...[...levels, shape.degreeMax, shape.degreeNew, shape.efConstruction, shape.entriesMax].map(BigInt),
    0n,
  ];
  const struct = BigUint64Array.from(fields);
  new Float64Array(struct.buffer)[fields.length - 1] = shape.alpha;
  return struct;
}

function addressOf(region: MemoryRegion): bigint {
  if (!(region instanceof NativeRegion)) throw new TypeError('a native graph needs native memory');
  return BigInt(region.address);
}

function check(status: number): void {
  if (status !== 0) throw new TercetError('internal', { library: 'tercet_kernels', status });
}
