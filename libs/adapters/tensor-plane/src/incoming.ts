import type { Socket } from 'node:net';
import { isErrorCode, TercetError, toTercetError, wire } from '@tercet/contracts';
import { acceptsMapped, decodeMapped, encodeHeader, encodeMessage, type FrameHeader } from './frame.js';
import { FrameReader } from './frame-reader.js';
import { IncomingPull, type PullInto, type PullResult } from './incoming-pull.js';
import type { MappedFiles } from './shared-memory.js';
import type { TransferKernels } from './transfer-kernels.js';
import { connectTo, type TensorTls } from './transport.js';

export interface IncomingOptions {
  readonly kernels: TransferKernels;
  readonly mappedFiles: MappedFiles;
  /** No byte for this long while a pull runs: the owner is gone. Owners say that they live each `aliveMs`. */
  readonly stallMs: number;
  /** A stream without pulls is closed after this long. */
  readonly idleMs: number;
  /** Ranges that an owner may send ahead, for each pull. */
  readonly creditsMax: number;
  readonly now: () => number;
  /** For owners on other machines. */
  readonly tls: TensorTls | undefined;
}

/** The reader's end of one stream: all pulls of this process from one owner share it. */
export class IncomingPeer {
  readonly path: 'unix' | 'tcp';
  readonly #socket: Socket;
  readonly #options: IncomingOptions;
  readonly #reader: FrameReader;
  readonly #pulls = new Map<number, IncomingPull>();
  #pullId = 0;
  #mappable: boolean;
  #closed: TercetError | undefined;

  constructor(endpoint: string, options: IncomingOptions) {
    const address = parseEndpoint(endpoint);
    this.path = 'path' in address ? 'unix' : 'tcp';
    this.#mappable = this.path === 'unix';
    this.#options = options;
    this.#reader = new FrameReader(
      {
        rangeTarget: (frame) => this.#rangeTarget(frame),
        frame: (frame, payload, crc) => this.#frame(frame, payload, crc),
      },
      options.kernels,
    );
    // Bulk bytes go from the kernel straight to where `next` says: a range's place in the tensor.
    const onread = { buffer: () => this.#reader.next(), callback: (bytes: number) => this.#advance(bytes) };
    this.#socket = connectTo(address, { tls: options.tls, onread });
    this.#socket.setTimeout(options.stallMs, () => this.#onQuiet());
    this.#socket.on('error', (error) => this.#close(error));
    this.#socket.once('close', () => this.#close(undefined));
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  get pullCount(): number {
    return this.#pulls.size;
  }

  /** Settles only when nothing will be written to the reader's memory any more. */
  async pull(lease: wire.TensorLease, into: PullInto, signal: AbortSignal): Promise<PullResult> {
    const pull = new IncomingPull(lease, into, this.#options);
    try {
      return await this.#run(pull, lease, signal);
    } catch (error) {
      if (!pull.cannotMap) throw error;
      // The rest comes through the socket, as everything of this owner from now on.
      this.#mappable = false;
      const rest = await this.#run(new IncomingPull(lease, pull.rest(), this.#options), lease, signal);
      return { ...rest, bytes: pull.bytes + rest.bytes };
    }
  }

  close(): void {
    this.#close(new TercetError('tensor_transfer_failed', { reason: 'this process closes its tensor plane' }));
  }

  async #run(pull: IncomingPull, lease: wire.TensorLease, signal: AbortSignal): Promise<PullResult> {
    if (this.#closed !== undefined) throw this.#closed;
    this.#pullId = (this.#pullId + 1) >>> 0;
    const pullId = this.#pullId;
    this.#pulls.set(pullId, pull);
    this.#socket.setTimeout(this.#options.stallMs);
    this.#ask(pullId, lease, pull.into);
    const onAbort = () => this.#cancel(pullId, new TercetError('cancelled', {}, { cause: signal.reason }));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const bytes = await pull.finished;
      return { bytes, ms: this.#options.now() - pull.startMs, path: pull.usedMapping ? 'shm' : this.path };
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#pulls.delete(pullId);
      if (this.#pulls.size === 0) this.#socket.setTimeout(this.#options.idleMs);
    }
  }

  #ask(pullId: number, lease: wire.TensorLease, into: PullInto): void {
    const { kernels, creditsMax } = this.#options;
    const first = into.segments?.from ?? 0;
    const count = into.segments === undefined ? 0 : into.segments.to - into.segments.from;
    const flags = this.#mappable && into.copyOnly !== true ? acceptsMapped : 0;
    const asked = wire.TensorLease.encode(lease).finish();
    this.#socket.cork();
    this.#socket.write(encodeMessage({ type: 'pull', pullId, flags, segment: first, offset: count }, asked, kernels));
    this.#socket.write(encodeHeader({ type: 'credit', pullId, segment: creditsMax }, kernels));
    this.#socket.uncork();
  }

  /** The last read may already be on its way into the pull's memory: then the pull ends with that range. */
  #cancel(pullId: number, reason: TercetError): void {
    const pull = this.#pulls.get(pullId);
    if (pull === undefined || pull.settled) return;
    this.#send('cancel', pullId);
    if (this.#reader.openPullId === pullId) pull.failAfterRange(reason);
    else pull.fail(reason);
  }

  #advance(bytes: number): boolean {
    try {
      this.#reader.advance(bytes);
    } catch (error) {
      this.#close(error);
    }
    return true;
  }

  #rangeTarget(frame: FrameHeader): Uint8Array | undefined {
    const pull = this.#pulls.get(frame.pullId);
    if (pull === undefined || pull.settled) return undefined;
    try {
      return pull.target(frame);
    } catch (error) {
      this.#cancel(frame.pullId, toTercetError(error));
      return undefined;
    }
  }

  #frame(frame: FrameHeader, payload: Uint8Array, crc: number): void {
    const pull = this.#pulls.get(frame.pullId);
    if (pull === undefined || pull.settled || frame.type === 'alive') return;
    try {
      this.#apply(pull, frame, { payload, crc });
    } catch (error) {
      this.#send('cancel', frame.pullId);
      pull.fail(toTercetError(error, 'tensor_transfer_failed'));
    }
  }

  #apply(pull: IncomingPull, frame: FrameHeader, part: { payload: Uint8Array; crc: number }): void {
    switch (frame.type) {
      case 'opened':
        pull.open(part.payload);
        return;
      case 'inline':
        pull.received(frame, part.crc);
        this.#giveCredit(frame.pullId, pull);
        return;
      case 'mapped':
        pull.copyMapped(frame, decodeMapped(part.payload));
        this.#giveCredit(frame.pullId, pull);
        return;
      case 'done':
        this.#finish(pull, frame.pullId);
        return;
      case 'settled':
        pull.finish();
        return;
      case 'fail':
        pull.fail(failureOf(part.payload));
        return;
      default:
        throw new TercetError('tensor_transfer_failed', { reason: 'not for a reader', type: frame.type });
    }
  }

  /**
   * A mapped range was read from memory that the owner could have reused: it counts only if the lease still held
   * afterwards. An inline range was held by the owner until it was sent: no answer is needed.
   */
  #finish(pull: IncomingPull, pullId: number): void {
    pull.complete();
    if (pull.keepsLease && !pull.usedMapping) {
      this.#send('cancel', pullId);
      pull.finish();
      return;
    }
    this.#send(pull.keepsLease ? 'confirm' : 'release', pullId);
    if (!pull.usedMapping) pull.finish();
  }

  #giveCredit(pullId: number, pull: IncomingPull): void {
    const credits = pull.takeCredits();
    if (credits === 0 || this.#socket.destroyed) return;
    this.#socket.write(encodeHeader({ type: 'credit', pullId, segment: credits }, this.#options.kernels));
  }

  #send(type: 'cancel' | 'release' | 'confirm', pullId: number): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeHeader({ type, pullId }, this.#options.kernels));
  }

  #onQuiet(): void {
    if (this.#pulls.size === 0) this.#close(undefined);
    else this.#close(new TercetError('tensor_transfer_failed', { reason: 'the owner is silent' }));
  }

  #close(cause: unknown): void {
    if (this.#closed !== undefined) return;
    this.#closed =
      cause instanceof TercetError
        ? cause
        : new TercetError('tensor_transfer_failed', { reason: 'the owner went away' }, { cause });
    this.#socket.destroy();
    for (const pull of this.#pulls.values()) pull.fail(this.#closed);
  }
}

/** @throws tensor_transfer_failed when the text is no endpoint */
export function parseEndpoint(endpoint: string): { path: string } | { host: string; port: number } {
  if (endpoint.startsWith('unix:/')) return { path: endpoint.slice('unix:'.length) };
  const match = /^tcp:\/\/(\[[0-9a-f:.]+\]|[^:/]+):(\d{1,5})$/i.exec(endpoint);
  if (match === null) throw new TercetError('tensor_transfer_failed', { reason: 'not an endpoint', endpoint });
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, ''), port: Number(match[2]) };
}

function failureOf(payload: Uint8Array): TercetError {
  const answer = JSON.parse(Buffer.from(payload).toString()) as { code: string; details: TercetError['details'] };
  return new TercetError(isErrorCode(answer.code) ? answer.code : 'tensor_transfer_failed', answer.details);
}
