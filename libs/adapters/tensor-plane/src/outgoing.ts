import type { Socket } from 'node:net';
import { TercetError, toTercetError, wire } from '@tercet/contracts';
import { acceptsMapped, encodeHeader, encodeMessage, type FrameHeader, rangeBytesMax } from './frame.js';
import { FrameReader } from './frame-reader.js';
import type { LeaseEntry, LeaseTable, TensorSegment } from './lease-table.js';
import type { PlaceInFile, SharedMemory } from './shared-memory.js';
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
  readonly counters: OutgoingCounters;
}

export interface OutgoingCounters {
  pullsServed: number;
  bytesSent: number;
  bytesMapped: number;
  /** Most bytes that waited in one socket at a time. */
  queuedBytesPeak: number;
}

/** Ranges below this many bytes go inline even when the reader could map them: one message instead of two. */
const mappedBytesMin = 1 << 13;

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
  readonly #heartbeat: NodeJS.Timeout;

  constructor(socket: Socket, options: OutgoingOptions) {
    this.#socket = socket;
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
      const entry = this.#options.leases.open(wire.TensorLease.decode(payload));
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
      await whenReady(segment, signal).catch((error: unknown) => this.#sourceFailed(pull, signal, error));
      pull.awaitsSource = false;
      await this.#sendSegment(pull, { index, segment, signal });
    }
    this.#send({ type: 'done', pullId: pull.id });
    this.#options.counters.pullsServed++;
  }

  async #sendSegment(pull: Pull, part: { index: number; segment: TensorSegment; signal: AbortSignal }): Promise<void> {
    const view = part.segment.view();
    if (view.byteLength !== part.segment.bytes) throw new Error(`bug: segment ${part.index} changed its size`);
    const place = pull.mapped && view.byteLength >= mappedBytesMin ? this.#options.memory?.locate(view) : undefined;
    if (place !== undefined) this.#place(pull, part.index, place);
    for (let offset = 0; offset < view.byteLength; offset += rangeBytesMax) {
      const range = view.subarray(offset, offset + rangeBytesMax);
      await takeCredit(pull, part.signal);
      const header = { pullId: pull.id, segment: part.index, offset, bytes: range.byteLength };
      if (place === undefined) await this.#sendInline(pull, { header, range, signal: part.signal });
      else this.#sendMapped(pull, header, range);
    }
  }

  #place(pull: Pull, segment: number, place: PlaceInFile): void {
    const frame = { type: 'placed', pullId: pull.id, segment, offset: place.offset } as const;
    this.#socket.write(encodeMessage(frame, Buffer.from(place.path), this.#options.kernels));
  }

  #sendMapped(pull: Pull, header: RangeHeader, range: Uint8Array): void {
    this.#options.leases.renew(pull.entry.lease.leaseId);
    this.#send({ type: 'mapped', ...header, crc: this.#options.kernels.crc32(range, 0) });
    this.#options.counters.bytesMapped += range.byteLength;
  }

  /** The memory is held until the kernel took the last byte, so that what leaves is what the checksum says. */
  async #sendInline(pull: Pull, part: { header: RangeHeader; range: Uint8Array; signal: AbortSignal }): Promise<void> {
    const { leases, kernels, counters } = this.#options;
    await this.#turns.take(part.signal);
    try {
      leases.renew(pull.entry.lease.leaseId);
      const letGo = leases.hold(pull.entry);
      const header = encodeHeader({ type: 'inline', ...part.header, crc: kernels.crc32(part.range, 0) }, kernels);
      this.#socket.cork();
      this.#socket.write(header);
      const written = new Promise<void>((resolve) => this.#socket.write(part.range, () => resolve()));
      this.#socket.uncork();
      counters.queuedBytesPeak = Math.max(counters.queuedBytesPeak, this.#socket.writableLength);
      await written;
      letGo();
      counters.bytesSent += part.range.byteLength;
    } finally {
      this.#turns.give();
    }
  }

  /** A source that broke ends its lease for every reader; a pull that stopped only stops itself. */
  #sourceFailed(pull: Pull, signal: AbortSignal, error: unknown): never {
    if (signal.aborted) throw signal.reason;
    this.#options.leases.fail(pull.entry.lease.leaseId);
    throw new TercetError('tensor_transfer_failed', { reason: 'the tensor was not completed' }, { cause: error });
  }

  #fail(pullId: number, error: unknown): void {
    this.#pulls.delete(pullId);
    const { code, details } = toTercetError(error, 'tensor_transfer_failed');
    if (code === 'cancelled' || this.#socket.destroyed) return;
    const text = JSON.stringify({ code, details }, (_key, value) => (typeof value === 'bigint' ? `${value}` : value));
    this.#message('fail', pullId, Buffer.from(text));
  }

  #message(type: 'opened' | 'fail', pullId: number, payload: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeMessage({ type, pullId }, payload, this.#options.kernels));
  }

  #send(frame: Parameters<typeof encodeHeader>[0]): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeHeader(frame, this.#options.kernels));
  }
}

interface RangeHeader {
  readonly pullId: number;
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
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

/** Waits for the segment, but no longer than the pull lives: a source may ignore its signal. */
async function whenReady(segment: TensorSegment, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const ready = segment.ready(signal);
  ready.catch(() => undefined);
  await Promise.race([ready, stopped]).finally(() => signal.removeEventListener('abort', onAbort));
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
