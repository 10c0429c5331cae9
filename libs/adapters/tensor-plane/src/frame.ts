// What goes over a tensor-plane stream: frames of a fixed 32-byte header and, for most types, `bytes` bytes of payload.
// All numbers are little-endian.
//
//   0  u8   0x54 'T'              12 u32  bytes: length of the range or of the payload
//   1  u8   protocol version, 1   16 u64  offset of the range in its segment, or of the segment in its file
//   2  u8   frame type            24 u32  CRC-32 of the range or payload
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
//                  placed    offset: where the segment starts in a mapped file; payload: the path of the file
//                  inline    a range; its bytes follow
//                  mapped    a range; its bytes lie in the placed file
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
  placed: 7,
  inline: 8,
  mapped: 9,
  done: 10,
  settled: 11,
  fail: 12,
  alive: 13,
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

/** How many payload bytes follow a header on the stream. */
export function payloadBytes(frame: FrameHeader): number {
  return frame.type === 'mapped' ? 0 : frame.bytes;
}
