/**
 * A frame is what becomes durable together: a mark, its length, a checksum of these, a checksum of the content, and the
 * content. The next frame is written when this one is on the disk, so only the last can be torn; anything else that
 * cannot be read is damage.
 */
export const frameHeadBytes = 16;
const mark = 0x74435631;
/** Content of one frame. */
export const frameBytesMax = 256 * 1024 * 1024;
/** File systems write no less of a file at once; what a crash kept from being written reads as zeros. */
const blockBytes = 512;

/** CRC-32 of bytes. */
export type Checksum = (bytes: Uint8Array) => number;

export type FrameRead =
  | { readonly kind: 'frame'; readonly content: Uint8Array; readonly next: number }
  | { readonly kind: 'end' }
  /** The file ends in the middle of a frame, or parts of its last one were never written. */
  | { readonly kind: 'torn' }
  | { readonly kind: 'damaged'; readonly reason: string };

/** What stands in front of the content. */
export function frameHead(content: Uint8Array, checksum: Checksum): Uint8Array {
  const head = new DataView(new ArrayBuffer(frameHeadBytes));
  head.setUint32(0, mark, true);
  head.setUint32(4, content.byteLength, true);
  head.setUint32(8, checksum(new Uint8Array(head.buffer, 0, 8)), true);
  head.setUint32(12, checksum(content), true);
  return new Uint8Array(head.buffer);
}

/** Reads the frame that begins at `at`. The content is a view. */
export function readFrame(file: Uint8Array, at: number, checksum: Checksum): FrameRead {
  const left = file.byteLength - at;
  if (left === 0) return { kind: 'end' };
  if (left < frameHeadBytes || isZero(file.subarray(at))) return { kind: 'torn' };
  const head = new DataView(file.buffer, file.byteOffset + at, frameHeadBytes);
  const intact = head.getUint32(0, true) === mark && head.getUint32(8, true) === checksum(file.subarray(at, at + 8));
  if (!intact) return { kind: 'damaged', reason: 'no frame begins here' };
  const length = head.getUint32(4, true);
  const start = at + frameHeadBytes;
  if (length > file.byteLength - start) return { kind: 'torn' };
  const content = file.subarray(start, start + length);
  const next = start + length;
  if (head.getUint32(12, true) === checksum(content)) return { kind: 'frame', content, next };
  if (next === file.byteLength && hasUnwrittenBlock(file, start)) return { kind: 'torn' };
  return { kind: 'damaged', reason: 'the checksum does not match' };
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** From `start` on, a block of the file that holds nothing but zeros. */
function hasUnwrittenBlock(file: Uint8Array, start: number): boolean {
  for (let block = Math.ceil(start / blockBytes) * blockBytes; block < file.byteLength; block += blockBytes) {
    if (isZero(file.subarray(block, block + blockBytes))) return true;
  }
  return false;
}
