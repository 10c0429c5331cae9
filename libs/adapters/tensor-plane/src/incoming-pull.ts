import { TercetError, type wire } from '@tercet/contracts';
import { type FrameHeader, type MappedRanges, rangeBytesMax } from './frame.js';
import type { MappedFiles } from './shared-memory.js';
import type { TransferKernels } from './transfer-kernels.js';

/** Where a pulled tensor goes. */
export interface PullInto {
  /** Digest that the reader's own engine uses; a lease with another one is refused before anything is read. */
  readonly layoutDigest: string;
  /**
   * Memory for one segment, asked for when its first byte comes: exactly `bytes` long, yours again when the pull ends.
   */
  target(segment: number, bytes: number): Uint8Array;
  /** Every byte of the segment is there and its checksum is right. */
  segmentDone?(segment: number): void;
  /** Only these segments, `from` ≤ i < `to`. Default: all. */
  readonly segments?: { readonly from: number; readonly to: number };
  /** Leave the lease to be read again. Default: it is released once everything is here. */
  readonly keepLease?: boolean;
  /** Read through the socket even where the owner's memory could be mapped. */
  readonly copyOnly?: boolean;
}

export interface PullResult {
  readonly bytes: number;
  readonly ms: number;
  readonly path: 'shm' | 'unix' | 'tcp';
}

interface PullOptions {
  readonly kernels: TransferKernels;
  readonly mappedFiles: MappedFiles;
  readonly creditsMax: number;
  readonly now: () => number;
}

interface Segment {
  readonly bytes: number;
  target: Uint8Array | undefined;
  received: number;
}

type Range = Pick<FrameHeader, 'segment' | 'offset' | 'bytes' | 'crc'>;

/** What one pull has so far. Ranges come in order; whatever does not fit is an error, never other bytes. */
export class IncomingPull {
  readonly startMs: number;
  readonly finished: Promise<number>;
  readonly keepsLease: boolean;
  usedMapping = false;
  settled = false;
  /** The owner named a file that this process cannot map; nothing of its segment was read. */
  cannotMap = false;
  readonly into: PullInto;
  readonly #lease: wire.TensorLease;
  readonly #options: PullOptions;
  readonly #first: number;
  readonly #segments: Segment[] = [];
  readonly #settle: { resolve: (bytes: number) => void; reject: (error: TercetError) => void };
  #opened = false;
  #bytes = 0;
  #ranges = 0;
  #failAfterRange: TercetError | undefined;

  constructor(lease: wire.TensorLease, into: PullInto, options: PullOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.finished = promise;
    this.#settle = { resolve, reject };
    this.#lease = lease;
    this.into = into;
    this.#options = options;
    this.#first = into.segments?.from ?? 0;
    this.keepsLease = into.keepLease === true;
    this.startMs = options.now();
  }

  open(payload: Uint8Array): void {
    const sizes = new BigUint64Array(payload.buffer.slice(payload.byteOffset, payload.byteOffset + payload.byteLength));
    for (const size of sizes) {
      this.#segments.push({ bytes: Number(size), target: undefined, received: 0 });
    }
    const total = sizes.reduce((sum, size) => sum + size, 0n);
    if (this.into.segments === undefined && total !== this.#lease.bytes) {
      throw new TercetError('lease_mismatch', { field: 'bytes', asked: this.#lease.bytes, offered: total });
    }
    this.#opened = true;
    this.#finishEmpty(0);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What is left to pull, through the socket, after `cannotMap`. */
  rest(): PullInto {
    const open = this.#segments.findIndex((segment) => segment.received < segment.bytes);
    const segments = { from: this.#first + open, to: this.#first + this.#segments.length };
    return { ...this.into, segments, copyOnly: true };
  }

  /** Where a range goes. @throws tensor_transfer_failed when it is not the next one */
  target(frame: Range): Uint8Array {
    const segment = this.#next(frame);
    segment.target ??= this.into.target(frame.segment, segment.bytes);
    if (segment.target.byteLength !== segment.bytes) {
      throw new TercetError('lease_mismatch', {
        field: 'segment bytes',
        segment: frame.segment,
        offered: segment.bytes,
        room: segment.target.byteLength,
      });
    }
    return segment.target.subarray(frame.offset, frame.offset + frame.bytes);
  }

  /** An inline range is in the target. @throws tensor_corrupt */
  received(frame: FrameHeader, crc: number): void {
    if (this.#failAfterRange !== undefined) {
      this.fail(this.#failAfterRange);
      return;
    }
    this.#ranges++;
    this.#check(frame, crc);
  }

  /** Copies ranges out of the owner's memory. @throws tensor_corrupt, tensor_transfer_failed */
  copyMapped(frame: FrameHeader, ranges: MappedRanges): void {
    if (!this.#options.mappedFiles.tryMap(ranges.path)) {
      this.cannotMap = true;
      throw new TercetError('tensor_transfer_failed', { reason: 'the file cannot be mapped', path: ranges.path });
    }
    this.usedMapping = true;
    this.#ranges++;
    for (const [at, sum] of ranges.sums.entries()) {
      const offset = at * rangeBytesMax;
      const bytes = Math.min(rangeBytesMax, ranges.bytes - offset);
      const range = { segment: frame.segment, offset: frame.offset + offset, bytes, crc: sum };
      const target = this.target(range);
      const source = this.#options.mappedFiles.view({ path: ranges.path, offset: ranges.fileOffset + offset }, bytes);
      this.#check(range, this.#options.kernels.copyCrc32(target, source, 0));
    }
  }

  /** Credits that may be given back now: in halves of the window, so that most ranges cost no message. */
  takeCredits(): number {
    if (this.#ranges < Math.max(1, this.#options.creditsMax >> 1)) return 0;
    const credits = this.#ranges;
    this.#ranges = 0;
    return credits;
  }

  /** @throws tensor_transfer_failed unless every byte is here */
  complete(): void {
    const missing = this.#segments.findIndex((segment) => segment.received < segment.bytes);
    if (!this.#opened || missing >= 0)
      throw new TercetError('tensor_transfer_failed', { reason: 'ended early', missing });
  }

  finish(): void {
    this.settled = true;
    this.#settle.resolve(this.#bytes);
  }

  fail(error: TercetError): void {
    this.settled = true;
    this.#settle.reject(error);
  }

  failAfterRange(error: TercetError): void {
    this.#failAfterRange = error;
  }

  #check(frame: Range, crc: number): void {
    if (crc !== frame.crc) {
      throw new TercetError('tensor_corrupt', { segment: frame.segment, offset: frame.offset, bytes: frame.bytes });
    }
    const segment = this.#segment(frame.segment);
    segment.received += frame.bytes;
    this.#bytes += frame.bytes;
    if (segment.received < segment.bytes) return;
    segment.target = undefined;
    this.into.segmentDone?.(frame.segment);
    this.#finishEmpty(frame.segment - this.#first + 1);
  }

  /** Segments without bytes have no range that could finish them. */
  #finishEmpty(from: number): void {
    for (let at = from; this.#segments[at]?.bytes === 0; at++) this.into.segmentDone?.(this.#first + at);
  }

  #next(frame: Range): Segment {
    const segment = this.#segment(frame.segment);
    if (frame.bytes === 0 || frame.offset !== segment.received || frame.offset + frame.bytes > segment.bytes) {
      throw new TercetError('tensor_transfer_failed', { reason: 'a range out of order', segment: frame.segment });
    }
    return segment;
  }

  #segment(index: number): Segment {
    const segment = this.#segments[index - this.#first];
    if (segment === undefined) throw new TercetError('tensor_transfer_failed', { reason: 'no such segment', index });
    return segment;
  }
}
