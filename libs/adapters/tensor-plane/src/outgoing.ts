import type { Socket } from 'node:net';
import { TercetError, toTercetError, wire } from '@tercet/contracts';
import { acceptsMapped, encodeHeader, encodeMapped, encodeMessage, type FrameHeader, rangeBytesMax } from './frame.js';
import { FrameReader } from './frame-reader.js';
import type { LeaseEntry, LeaseTable } from './lease-table.js';
import { Outbox } from './outbox.js';
import type { PlaceInFile, SharedMemory } from './shared-memory.js';
import type { TensorSegment } from './tensor-source.js';
import type { TransferKernels } from './transfer-kernels.js';
import { Turns } from './turns.js';

export interface OutgoingOptions {
  readonly leases: LeaseTable;
  readonly kernels: TransferKernels;
  readonly memory: SharedMemory | undefined;
  /** A reader that takes nothing for this long while bytes wait for it is cut off. */
  readonly stallMs: number;
  readonly aliveMs: number;
  readonly pullsMax: number;
  /** Names of the reader's certificate, where leases are bound to them. */
  readonly readerNames: readonly string[] | undefined;
  readonly counters: OutgoingCounters;
}

export interface OutgoingCounters {
  pullsServed: number;
  bytesSent: number;
  bytesMapped: number;
  /** Most bytes that waited in one socket at a time. */
  queuedBytesPeak: number;
}

/**
 * Shorter segments go inline even when the reader could map them: then it need not ask whether the lease still holds.
 */
const mappedBytesMin = 1 << 17;
/** What the reader copies in one go, without its event loop: a fraction of a millisecond. */
const mappedBytesMax = 2 * rangeBytesMax;

interface Pull {
  readonly id: number;
  readonly entry: LeaseEntry;
  readonly mapped: boolean;
  readonly segments: readonly [from: number, to: number];
  readonly cancel: AbortController;
  credits: number;
  onCredit: (() => void) | undefined;
  /** The owner's own compute is what this pull waits for: its lease must not expire meanwhile. */
  awaitsSource: boolean;
}

/**
 * The owner's end of one stream: serves the pulls of one reader, ranges of all of them taking turns, each range
 * straight from the tensor. A pull sends only what it has credit for, and one range at a time waits in the socket.
 */
export class OutgoingPeer {
  readonly #socket: Socket;
  readonly #options: OutgoingOptions;
  readonly #pulls = new Map<number, Pull>();
  readonly #turns = new Turns();
  readonly #outbox: Outbox;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(socket: Socket, options: OutgoingOptions) {
    this.#socket = socket;
    this.#outbox = new Outbox(socket);
    this.#options = options;
    const reader = new FrameReader(
      { rangeTarget: () => undefined, frame: (frame, payload) => this.#receive(frame, payload) },
      options.kernels,
    );
    socket.setNoDelay(true);
    socket.setTimeout(options.stallMs, () => {
      if (socket.writableLength > 0) socket.destroy();
    });
    socket.on('data', (chunk: Uint8Array) => {
      try {
        reader.feed(chunk);
      } catch {
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#stop());
    this.#heartbeat = setInterval(() => this.#sayAlive(), options.aliveMs).unref();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #stop(): void {
    clearInterval(this.#heartbeat);
    const gone = new TercetError('tensor_transfer_failed', { reason: 'the reader went away' });
    for (const pull of this.#pulls.values()) pull.cancel.abort(gone);
    this.#pulls.clear();
    this.#turns.close(gone);
  }

  #sayAlive(): void {
    for (const { awaitsSource, entry } of this.#pulls.values()) {
      if (awaitsSource && !entry.ended.signal.aborted) this.#options.leases.renew(entry.lease.leaseId);
    }
    if (this.#pulls.size > 0 && this.#socket.writableLength === 0) this.#send({ type: 'alive' });
  }

  #receive(frame: FrameHeader, payload: Uint8Array): void {
    switch (frame.type) {
      case 'pull':
        this.#open(frame, payload);
        return;
      case 'credit':
        this.#credit(frame);
        return;
      case 'cancel':
        this.#drop(frame.pullId, new TercetError('cancelled'));
        return;
      case 'release':
      case 'confirm':
        this.#settle(frame.pullId, frame.type);
        return;
      default:
        throw new TercetError('tensor_transfer_failed', { reason: 'not for an owner', type: frame.type });
    }
  }

  #open(frame: FrameHeader, payload: Uint8Array): void {
    if (this.#pulls.has(frame.pullId)) throw new TercetError('tensor_transfer_failed', { reason: 'pull id in use' });
    try {
      if (this.#pulls.size >= this.#options.pullsMax) {
        throw new TercetError('overloaded', { pulls: this.#options.pullsMax });
      }
      const entry = this.#options.leases.open(wire.TensorLease.decode(payload), this.#options.readerNames);
      const segments = askedSegments(frame, entry.source.segments.length);
      const mapped = (frame.flags & acceptsMapped) !== 0;
      const cancel = new AbortController();
      const waits = { credits: 0, onCredit: undefined, awaitsSource: false };
      const pull: Pull = { id: frame.pullId, entry, mapped, segments, cancel, ...waits };
      this.#pulls.set(pull.id, pull);
      this.#serve(pull).catch((error: unknown) => this.#fail(pull.id, error));
    } catch (error) {
      this.#fail(frame.pullId, error);
    }
  }

  #credit(frame: FrameHeader): void {
    const pull = this.#pulls.get(frame.pullId);
    if (pull === undefined) return;
    pull.credits += frame.segment;
    pull.onCredit?.();
  }

  #drop(pullId: number, reason: TercetError): void {
    const pull = this.#pulls.get(pullId);
    this.#pulls.delete(pullId);
    pull?.cancel.abort(reason);
  }

  #settle(pullId: number, how: 'release' | 'confirm'): void {
    const pull = this.#pulls.get(pullId);
    if (pull === undefined) return;
    try {
      const { leaseId } = pull.entry.lease;
      if (how === 'release') this.#options.leases.release(leaseId);
      else this.#options.leases.renew(leaseId);
      this.#pulls.delete(pullId);
      this.#send({ type: 'settled', pullId });
    } catch (error) {
      this.#fail(pullId, error);
    }
  }

  async #serve(pull: Pull): Promise<void> {
    const [from, to] = pull.segments;
    const { segments } = pull.entry.source;
    const signal = AbortSignal.any([pull.cancel.signal, pull.entry.ended.signal]);
    this.#message('opened', pull.id, segmentSizes(segments.slice(from, to)));
    for (let index = from; index < to; index++) {
      const segment = segments[index];
      if (segment === undefined) throw new TercetError('lease_mismatch', { segment: index });
      pull.awaitsSource = true;
      const sums = await until(pull.entry.sums.segment(index), signal);
      pull.awaitsSource = false;
      await this.#sendSegment(pull, { index, view: segment.view(), sums, signal });
    }
    this.#send({ type: 'done', pullId: pull.id });
    this.#options.counters.pullsServed++;
  }

  async #sendSegment(pull: Pull, part: SegmentPart): Promise<void> {
    const { view } = part;
    const mappable = pull.mapped && view.byteLength >= mappedBytesMin;
    const place = mappable ? this.#options.memory?.locate(view) : undefined;
    const step = place === undefined ? rangeBytesMax : mappedBytesMax;
    for (let offset = 0; offset < view.byteLength; offset += step) {
      await takeCredit(pull, part.signal);
      if (place === undefined) await this.#sendInline(pull, part, offset);
      else this.#sendMapped(pull, part, { offset, place });
    }
  }

  #sendMapped(pull: Pull, part: SegmentPart, at: { offset: number; place: PlaceInFile }): void {
    const { leases, counters, kernels } = this.#options;
    leases.renew(pull.entry.lease.leaseId);
    const bytes = Math.min(mappedBytesMax, part.view.byteLength - at.offset);
    const first = at.offset / rangeBytesMax;
    const sums = part.sums.subarray(first, first + mappedBytesMax / rangeBytesMax);
    const ranges = { path: at.place.path, fileOffset: at.place.offset + at.offset, bytes, sums };
    const frame = { type: 'mapped', pullId: pull.id, segment: part.index, offset: at.offset } as const;
    this.#outbox.push(encodeMessage(frame, encodeMapped(ranges), kernels));
    counters.bytesMapped += bytes;
  }

  /** The memory is held until the kernel took the last byte: what leaves is what was lent. */
  async #sendInline(pull: Pull, part: SegmentPart, offset: number): Promise<void> {
    const { leases, kernels, counters } = this.#options;
    const range = part.view.subarray(offset, offset + rangeBytesMax);
    await this.#turns.take(part.signal);
    try {
      leases.renew(pull.entry.lease.leaseId);
      const letGo = leases.hold(pull.entry);
      const crc = part.sums[offset / rangeBytesMax] ?? 0;
      const place = { pullId: pull.id, segment: part.index, offset, bytes: range.byteLength, crc };
      const written = this.#outbox.bulk(encodeHeader({ type: 'inline', ...place }, kernels), range);
      counters.queuedBytesPeak = Math.max(counters.queuedBytesPeak, this.#socket.writableLength);
      await written;
      letGo();
      counters.bytesSent += range.byteLength;
    } finally {
      this.#turns.give();
    }
  }

  #fail(pullId: number, error: unknown): void {
    this.#pulls.delete(pullId);
    const { code, details } = toTercetError(error, 'tensor_transfer_failed');
    if (code === 'cancelled' || this.#socket.destroyed) return;
    const text = JSON.stringify({ code, details }, (_key, value) => (typeof value === 'bigint' ? `${value}` : value));
    this.#message('fail', pullId, Buffer.from(text));
  }

  #message(type: 'opened' | 'fail', pullId: number, payload: Uint8Array): void {
    this.#outbox.push(encodeMessage({ type, pullId }, payload, this.#options.kernels));
  }

  #send(frame: Parameters<typeof encodeHeader>[0]): void {
    this.#outbox.push(encodeHeader(frame, this.#options.kernels));
  }
}

interface SegmentPart {
  readonly index: number;
  readonly view: Uint8Array;
  /** Of each range of 1 MB. */
  readonly sums: Uint32Array;
  readonly signal: AbortSignal;
}

function askedSegments(frame: FrameHeader, count: number): readonly [from: number, to: number] {
  const from = frame.segment;
  const to = frame.offset === 0 ? count : from + frame.offset;
  if (from > count || to > count) throw new TercetError('lease_mismatch', { field: 'segments', from, to, count });
  return [from, to];
}

function segmentSizes(segments: readonly TensorSegment[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(segments, (segment) => BigInt(segment.bytes)).buffer);
}

/** Waits for the promise, but no longer than the signal allows. */
async function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise, stopped]).finally(() => signal.removeEventListener('abort', onAbort));
}

async function takeCredit(pull: Pull, signal: AbortSignal): Promise<void> {
  while (pull.credits === 0) {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    pull.onCredit = resolve;
    await promise.finally(() => {
      signal.removeEventListener('abort', onAbort);
      pull.onCredit = undefined;
    });
  }
  signal.throwIfAborted();
  pull.credits--;
}
