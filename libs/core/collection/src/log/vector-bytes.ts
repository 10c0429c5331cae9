import { TercetError } from '@tercet/contracts';

/** Bytes of little-endian float32, which is how every machine that this runs on has them. A view. */
export function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The numbers in bytes: a view where they lie so that it can be one. @throws dimension_mismatch for an odd end */
export function floatsOf(bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteLength % 4 !== 0)
    throw new TercetError('dimension_mismatch', { bytes: byteLength, expected: 'whole float32' });
  if (byteOffset % 4 === 0) return new Float32Array(buffer, byteOffset, byteLength / 4);
  return new Float32Array(bytes.slice().buffer);
}
