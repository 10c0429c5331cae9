import { crc32 } from 'node:zlib';
import { type NativeLibrary, tryOpenLibrary } from './library.js';

/** Work over bulk memory, in native code where it was built. */
export interface Kernels {
  /** What runs: an instruction set of the native library, or `node` for the portable twins. */
  readonly variant: string;
  /** CRC-32 (IEEE 802.3, as zlib) of the bytes, continuing from `seed`, the checksum of what came before. */
  crc32(bytes: Uint8Array, seed: number): number;
  /** Copies `source` to the start of `out`; returns the CRC-32 of what was copied, read once. They must not overlap. */
  copyCrc32(out: Uint8Array, source: Uint8Array, seed: number): number;
  /**
   * Index of the largest value, the lowest of equal ones; -1 where a value is no number, the largest is not finite, or
   * there is none.
   */
  largest(values: Float32Array): number;
}

/**
 * The kernels of this machine. Whoever starts a process logs `variant` once: `node` means that the native library was
 * not built, and checksums run at a quarter of the speed.
 * @throws engine_incompatible when the library on disk is another version
 */
export function loadKernels(options: { readonly path?: string } = {}): Kernels {
  const library = tryOpenLibrary(options.path);
  return library === undefined ? portableKernels : nativeKernels(library);
}

/** The twins that need nothing but Node. */
export const portableKernels: Kernels = {
  variant: 'node',
  crc32,
  copyCrc32: (out, source, seed) => {
    checkRoom(out, source);
    out.set(source);
    return crc32(out.subarray(0, source.byteLength), seed);
  },
  largest: (values) => {
    let found = -1;
    let most = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      if (value <= most) continue;
      if (!Number.isFinite(value)) return -1;
      most = value;
      found = i;
    }
    return found;
  },
};

/** Below this many bytes Node's own sum is quicker than the way into native code. */
const nativeBytesMin = 64;

function nativeKernels(library: NativeLibrary): Kernels {
  const native = library.crc32;
  const nativeCopy = library.copyCrc32;
  return {
    variant: library.variant,
    crc32: (bytes, seed) =>
      bytes.byteLength < nativeBytesMin ? crc32(bytes, seed) : native(bytes, bytes.byteLength, seed),
    copyCrc32: (out, source, seed) => {
      checkRoom(out, source);
      return source.byteLength === 0 ? seed : nativeCopy(out, source, source.byteLength, seed);
    },
    largest: (values) => library.largest(values, values.length),
  };
}

function checkRoom(out: Uint8Array, source: Uint8Array): void {
  if (out.byteLength >= source.byteLength) return;
  throw new RangeError(`copy of ${source.byteLength} bytes into ${out.byteLength}`);
}
