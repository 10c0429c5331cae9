// Every symbol of the native library, and nothing else of it anywhere: see native/kernels/include/tercet_kernels.h.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TercetError } from '@tercet/contracts';
import koffi from 'koffi';

const abi = 2;
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
  };
}
