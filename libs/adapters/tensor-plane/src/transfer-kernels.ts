import { crc32 } from 'node:zlib';

/**
 * The two passes over bytes that a transfer makes. `@tercet/kernels` has them in native code; without a compiler Node's
 * own CRC-32 serves, which is why the checksum of the tensor plane is CRC-32 (IEEE 802.3, reflected, as in zlib).
 */
export interface TransferKernels {
  /** CRC-32 of the bytes, continuing from `seed`, the checksum of what came before (0 at the start). */
  crc32(bytes: Uint8Array, seed: number): number;
  /** Copies `source` to the start of `out` and returns the CRC-32 of what was copied, reading it once. */
  copyCrc32(out: Uint8Array, source: Uint8Array, seed: number): number;
}

/** Node's CRC-32 and a copy: two passes, correct everywhere. */
export const nodeKernels: TransferKernels = {
  crc32,
  copyCrc32: (out, source, seed) => {
    out.set(source);
    // The copy is summed, not the source: another process may still write there, and what counts is what we hold.
    return crc32(out.subarray(0, source.byteLength), seed);
  },
};
