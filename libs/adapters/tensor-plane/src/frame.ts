// What goes over a tensor-plane stream: frames of a fixed 32-byte header and, for most types, `bytes` bytes of payload.
// All numbers are little-endian.
//
//   0  u8   0x54 'T'              12 u32  bytes of the payload that follows
//   1  u8   protocol version, 1   16 u64  offset in the segment of the range
//   2  u8   frame type            24 u32  CRC-32 of the payload
//   3  u8   flags                 28 u32  CRC-32 of header bytes 0..27: a stream out of step is noticed at once
//   4  u32  pull id, chosen by the reader
//   8  u32  segment, or a count
//
// reader → owner   pull      payload: the lease as protobuf; flags bit 0: the reader can map files of this machine;
//                            segment: first segment asked for; offset: how many (0 = all that follow)
//                  credit    segment: how many more range frames may be sent
//                  release   the reader holds its copy; answered by `settled` or `fail`
//                  confirm   as release, but the lease stays to be read again
//                  cancel    the reader wants nothing more of this pull
// owner → reader   opened    payload: bytes of each segment asked for, u64 each
//                  inline    a range of at most 1 MB; the payload is its bytes
//                  mapped    ranges that lie in a file of this machine; payload: u64 offset in the file, u32 bytes,
//                            u32 count, CRC-32 of each range (1 MB, the last one may be shorter), path of the file
//                  done      every range was sent
//                  settled   the lease was valid until now
//                  fail      payload: {"code", "details"} as JSON
//                  alive     nothing to send yet, still working on it
import { TercetError } from '@tercet/contracts';
import type { TransferKernels } from './transfer-kernels.js';

export const frameHeaderBytes = 32;
export const rangeBytesMax = 1 << 20;
export const controlBytesMax = 1 << 18;
export const acceptsMapped = 1;

const magic = 0x54;
const version = 1;
const frameTypes = {
  pull: 1,
  credit: 2,
  release: 3,
  confirm: 4,
  cancel: 5,
  opened: 6,
  inline: 7,
  mapped: 8,
  done: 9,
  settled: 10,
  fail: 11,
  alive: 12,
} as const;

export type FrameType = keyof typeof frameTypes;

const typeNames = new Map<number, FrameType>(Object.entries(frameTypes).map(([name, id]) => [id, name as FrameType]));

export interface FrameHeader {
  readonly type: FrameType;
  readonly flags: number;
  readonly pullId: number;
  readonly segment: number;
  readonly bytes: number;
  readonly offset: number;
  readonly crc: number;
}

/** A header as 32 bytes; what is left out is 0. */
export function encodeHeader(
  frame: Partial<FrameHeader> & { readonly type: FrameType },
  kernels: TransferKernels,
): Uint8Array {
  const out = Buffer.allocUnsafe(frameHeaderBytes);
  out[0] = magic;
  out[1] = version;
  out[2] = frameTypes[frame.type];
  out[3] = frame.flags ?? 0;
  out.writeUInt32LE(frame.pullId ?? 0, 4);
  out.writeUInt32LE(frame.segment ?? 0, 8);
  out.writeUInt32LE(frame.bytes ?? 0, 12);
  out.writeBigUInt64LE(BigInt(frame.offset ?? 0), 16);
  out.writeUInt32LE(frame.crc ?? 0, 24);
  out.writeUInt32LE(kernels.crc32(out.subarray(0, 28), 0), 28);
  return out;
}

/** A frame whose payload is a small message. */
export function encodeMessage(
  frame: { type: FrameType; pullId: number; flags?: number; segment?: number; offset?: number },
  payload: Uint8Array,
  kernels: TransferKernels,
): Uint8Array {
  const crc = kernels.crc32(payload, 0);
  return Buffer.concat([encodeHeader({ ...frame, bytes: payload.byteLength, crc }, kernels), payload]);
}

/** @throws tensor_transfer_failed when the bytes are no header of this protocol */
export function decodeHeader(bytes: Uint8Array, kernels: TransferKernels): FrameHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, frameHeaderBytes);
  const type = typeNames.get(view.getUint8(2));
  const crc = kernels.crc32(bytes.subarray(0, 28), 0);
  if (view.getUint8(0) !== magic || view.getUint32(28, true) !== crc || type === undefined) {
    throw new TercetError('tensor_transfer_failed', { reason: 'the stream is out of step' });
  }
  if (view.getUint8(1) !== version) {
    throw new TercetError('tensor_transfer_failed', { reason: 'protocol version', theirs: view.getUint8(1), version });
  }
  return {
    type,
    flags: view.getUint8(3),
    pullId: view.getUint32(4, true),
    segment: view.getUint32(8, true),
    bytes: view.getUint32(12, true),
    offset: Number(view.getBigUint64(16, true)),
    crc: view.getUint32(24, true),
  };
}

/** Where ranges lie in a file that the reader can map. */
export interface MappedRanges {
  readonly path: string;
  readonly fileOffset: number;
  readonly bytes: number;
  readonly sums: Uint32Array;
}

const mappedHeadBytes = 16;

export function encodeMapped(ranges: MappedRanges): Uint8Array {
  const path = Buffer.from(ranges.path);
  const out = Buffer.allocUnsafe(mappedHeadBytes + ranges.sums.length * 4 + path.byteLength);
  out.writeBigUInt64LE(BigInt(ranges.fileOffset), 0);
  out.writeUInt32LE(ranges.bytes, 8);
  out.writeUInt32LE(ranges.sums.length, 12);
  ranges.sums.forEach((sum, at) => void out.writeUInt32LE(sum, mappedHeadBytes + at * 4));
  path.copy(out, mappedHeadBytes + ranges.sums.length * 4);
  return out;
}

/** @throws tensor_transfer_failed when the counts do not fit together */
export function decodeMapped(payload: Uint8Array): MappedRanges {
  const at = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const bytes = at.byteLength < mappedHeadBytes ? 0 : at.readUInt32LE(8);
  const count = Math.ceil(bytes / rangeBytesMax);
  if (bytes === 0 || at.readUInt32LE(12) !== count || at.byteLength <= mappedHeadBytes + count * 4) {
    throw new TercetError('tensor_transfer_failed', { reason: 'a message does not fit', bytes });
  }
  return {
    fileOffset: Number(at.readBigUInt64LE(0)),
    bytes,
    sums: Uint32Array.from({ length: count }, (_, range) => at.readUInt32LE(mappedHeadBytes + range * 4)),
    path: at.toString('utf8', mappedHeadBytes + count * 4),
  };
}
