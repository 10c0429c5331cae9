import { setImmediate as immediate } from 'node:timers/promises';
import { TercetError } from '@tercet/contracts';
import { rangeBytesMax } from './frame.js';
import type { TensorSegment, TensorSource } from './tensor-source.js';
import type { TransferKernels } from './transfer-kernels.js';

/** Summed in one go without the event loop: a tenth of a millisecond. */
const bytesPerTurn = 2 * rangeBytesMax;

/**
 * Checksums of a lent tensor, one for each range of 1 MB, taken once, as soon as a segment is ready, and not when it is
 * read: memory that changes while it is lent (a slot used twice) shows at every reader.
 */
export class TensorSums {
  /** Rejects when a segment will never be ready; resolves when all are summed. */
  readonly finished: Promise<void>;
  readonly #segments: PromiseWithResolvers<Uint32Array>[];

  constructor(source: TensorSource, kernels: TransferKernels, signal: AbortSignal) {
    this.#segments = source.segments.map(() => Promise.withResolvers<Uint32Array>());
    for (const { promise } of this.#segments) promise.catch(() => undefined);
    this.finished = this.#run(source, kernels, signal);
    this.finished.catch((error: unknown) => {
      for (const { reject } of this.#segments) reject(error);
    });
  }

  /** Sums of one segment's ranges, once it is ready. */
  async segment(index: number): Promise<Uint32Array> {
    return (await this.#segments[index]?.promise) ?? new Uint32Array(0);
  }

  async #run(source: TensorSource, kernels: TransferKernels, signal: AbortSignal): Promise<void> {
    const turns = new Turns(signal);
    for (const [index, segment] of source.segments.entries()) {
      await whenReady(segment, signal);
      const view = segment.view();
      if (view.byteLength !== segment.bytes) throw new Error(`bug: segment ${index} changed its size`);
      this.#segments[index]?.resolve(await sumRanges(view, kernels, turns));
    }
  }
}

/** @throws tensor_transfer_failed when the source breaks, the signal's reason when the lease ends first */
async function whenReady(segment: TensorSegment, signal: AbortSignal): Promise<void> {
  try {
    await segment.ready(signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new TercetError('tensor_transfer_failed', { reason: 'the tensor was not completed' }, { cause });
  }
  signal.throwIfAborted();
}

async function sumRanges(view: Uint8Array, kernels: TransferKernels, turns: Turns): Promise<Uint32Array> {
  const sums = new Uint32Array(Math.ceil(view.byteLength / rangeBytesMax));
  for (let at = 0; at < sums.length; at++) {
    const range = view.subarray(at * rangeBytesMax, (at + 1) * rangeBytesMax);
    await turns.before(range.byteLength);
    sums[at] = kernels.crc32(range, 0);
  }
  return sums;
}

/** Lets the event loop turn between so many bytes, be they of one segment or of many: who pulls is served meanwhile. */
class Turns {
  readonly #signal: AbortSignal;
  #bytes = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async before(bytes: number): Promise<void> {
    if (this.#bytes + bytes > bytesPerTurn) {
      await immediate();
      this.#signal.throwIfAborted();
      this.#bytes = 0;
    }
    this.#bytes += bytes;
  }
}
