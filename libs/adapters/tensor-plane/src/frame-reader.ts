import { TercetError } from '@tercet/contracts';
import { controlBytesMax, decodeHeader, type FrameHeader, frameHeaderBytes, rangeBytesMax } from './frame.js';
import type { TransferKernels } from './transfer-kernels.js';

const scratchBytes = 1 << 14;
/** Bytes are summed while they are still in the cache of the core that received them. */
const readBytesMax = 1 << 18;

export interface FrameSink {
  /** Where the payload of a range goes; `undefined` when nobody wants it any more. */
  rangeTarget(frame: FrameHeader): Uint8Array | undefined;
  /** A whole frame is there. `crc` is the checksum of the payload that arrived; of a message it has been compared. */
  frame(frame: FrameHeader, payload: Uint8Array, crc: number): void;
}

/**
 * Cuts a byte stream into frames without a buffer of its own for bulk bytes: `next` says where the following bytes go
 * (straight into the tensor while a range is open), `advance` says how many came.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #kernels: TransferKernels;
  readonly #scratch = new Uint8Array(scratchBytes);
  #start = 0;
  #end = 0;
  #open: { frame: FrameHeader; target: Uint8Array; filled: number; crc: number } | undefined;

  constructor(sink: FrameSink, kernels: TransferKernels) {
    this.#sink = sink;
    this.#kernels = kernels;
  }

  /** The pull whose memory the following bytes go to, if any. */
  get openPullId(): number | undefined {
    return this.#open?.frame.type === 'inline' ? this.#open.frame.pullId : undefined;
  }

  next(): Uint8Array {
    const open = this.#open;
    if (open !== undefined) {
      return open.target.subarray(open.filled, Math.min(open.target.byteLength, open.filled + readBytesMax));
    }
    if (this.#start > 0) {
      this.#scratch.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#scratch.subarray(this.#end);
  }

  /** @throws tensor_transfer_failed when the stream is out of step */
  advance(bytes: number): void {
    const open = this.#open;
    if (open === undefined) {
      this.#end += bytes;
      this.#parse();
      return;
    }
    open.crc = this.#kernels.crc32(open.target.subarray(open.filled, open.filled + bytes), open.crc);
    open.filled += bytes;
    if (open.filled === open.target.byteLength) this.#finish();
  }

  /** Feeds bytes that arrived in a buffer of somebody else. */
  feed(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.byteLength; ) {
      const room = this.next();
      const part = chunk.subarray(at, at + room.byteLength);
      room.set(part);
      at += part.byteLength;
      this.advance(part.byteLength);
    }
  }

  #parse(): void {
    while (this.#end - this.#start >= frameHeaderBytes) {
      const header = this.#scratch.subarray(this.#start, this.#start + frameHeaderBytes);
      const frame = decodeHeader(header, this.#kernels);
      this.#start += frameHeaderBytes;
      const target = this.#target(frame);
      const here = this.#scratch.subarray(this.#start, Math.min(this.#end, this.#start + target.byteLength));
      const crc = here.byteLength === 0 ? 0 : this.#kernels.copyCrc32(target, here, 0);
      this.#start += here.byteLength;
      this.#open = { frame, target, filled: here.byteLength, crc };
      if (here.byteLength < target.byteLength) return;
      this.#finish();
    }
  }

  #target(frame: FrameHeader): Uint8Array {
    const { bytes } = frame;
    const limit = frame.type === 'inline' ? rangeBytesMax : controlBytesMax;
    if (bytes > limit) throw new TercetError('tensor_transfer_failed', { reason: 'frame too large', bytes, limit });
    if (bytes === 0) return new Uint8Array(0);
    if (frame.type === 'inline') return this.#sink.rangeTarget(frame) ?? new Uint8Array(bytes);
    return new Uint8Array(bytes);
  }

  #finish(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    if (open.frame.type !== 'inline' && open.crc !== open.frame.crc) {
      throw new TercetError('tensor_transfer_failed', { reason: 'a message is damaged', type: open.frame.type });
    }
    this.#sink.frame(open.frame, open.target, open.crc);
  }
}
