import type { Clock } from '@tercet/base';
import { TercetError, toTercetError } from '@tercet/contracts';
import type { NewEvent } from './event-log.js';
import type { Observe } from './occurrence.js';
import { Outbox, type OutboxLimits } from './outbox.js';
import { RecordSealer } from './record.js';
import type { TopicName } from './topics.js';

/** A record as a log keeps it. */
export interface Outgoing {
  readonly topic: TopicName;
  readonly key: string;
  readonly bytes: Uint8Array;
}

/** Resolves after so long, and rejects when the signal aborts. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

export interface PublishLimits extends OutboxLimits {
  /** How long a record waits for a log that does not answer. */
  readonly waitMs: number;
}

export const defaultPublishLimits: PublishLimits = {
  recordsMax: 10_000,
  bytesMax: 64 * 1024 * 1024,
  waitMs: 30_000,
};

export interface PublisherOptions {
  readonly producerId: string;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly limits: PublishLimits;
  readonly observe: Observe;
  /**
   * Writes records in their order, all or some of them; resolves when none can be lost any more.
   * @throws event_log_unavailable when it may be tried again; any other code is the end of these records
   */
  send(records: readonly Outgoing[]): Promise<void>;
}

interface Waiting extends Outgoing {
  readonly sinceMs: number;
  readonly written: PromiseWithResolvers<void>;
}

/** Records that go to a log in one call. */
export const batchRecordsMax = 512;
const backOffMs = { first: 50, max: 2000 };

/**
 * The writing side of every event log: seals records, holds them while the log is slow or away, within limits, and
 * writes them in their order. Nobody waits for it who does not await its promise.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #sealer: RecordSealer;
  readonly #outbox: Outbox<Waiting>;
  readonly #closed = new AbortController();
  #isSending = false;
  #sending: Promise<void> | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#sealer = new RecordSealer(options.producerId, options.clock);
    this.#outbox = new Outbox(options.limits);
  }

  /** @throws event_log_unavailable, event_invalid when the record is too large */
  async publish(topic: TopicName, event: NewEvent): Promise<void> {
    if (this.#closed.signal.aborted) throw this.#refusal(topic, 'closed');
    const written = Promise.withResolvers<void>();
    const sinceMs = this.#options.clock.nowMs();
    const waiting = { topic, key: event.key, bytes: this.#sealer.seal(event), sinceMs, written };
    const offered = this.#outbox.offer(waiting);
    if (offered.kind === 'full') throw this.#refusal(topic, 'buffer full');
    for (const dropped of offered.dropped) {
      this.#options.observe({ kind: 'dropped', topic: dropped.topic, records: 1 });
      dropped.written.reject(unavailable('dropped for newer ones'));
    }
    if (!this.#isSending) this.#sending = this.#sendAll();
    await written.promise;
  }

  /** Takes no more, and resolves when what waits is written; gives up on it when the signal aborts. */
  async close(patience: AbortSignal): Promise<void> {
    const giveUp = () => this.#closed.abort();
    if (patience.aborted) giveUp();
    patience.addEventListener('abort', giveUp, { once: true });
    await this.#sending;
    patience.removeEventListener('abort', giveUp);
    giveUp();
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    for (let delayMs = backOffMs.first; this.#outbox.hasWaiting; ) {
      const batch = this.#outbox.take(batchRecordsMax);
      const failure = await this.#trySend(batch);
      if (failure === undefined) {
        delayMs = backOffMs.first;
        continue;
      }
      this.#options.observe({ kind: 'failed', code: failure.code });
      if (failure.code === 'event_log_unavailable') this.#outbox.putBack(batch);
      else this.#giveUp(batch, failure);
      await this.#options.sleep(delayMs, this.#closed.signal).catch(() => undefined);
      delayMs = Math.min(2 * delayMs, backOffMs.max);
      this.#expire(failure);
    }
    // In the turn in which nothing was found to wait: a record that comes in the next one finds nobody sending.
    this.#isSending = false;
  }

  async #trySend(batch: readonly Waiting[]): Promise<TercetError | undefined> {
    try {
      await this.#options.send(batch);
    } catch (error) {
      return toTercetError(error);
    }
    this.#outbox.leave(batch);
    const nowMs = this.#options.clock.nowMs();
    for (const [topic, records] of Map.groupBy(batch, (record) => record.topic)) {
      const ms = nowMs - Math.min(...records.map(({ sinceMs }) => sinceMs));
      this.#options.observe({ kind: 'published', topic, records: records.length, ms });
    }
    for (const { written } of batch) written.resolve();
    return undefined;
  }

  /** Those that waited too long are not written; all of them once the log is closed. */
  #expire(failure: TercetError): void {
    const { clock, limits } = this.#options;
    const oldestMs = clock.nowMs() - limits.waitMs;
    const gone = this.#outbox.remove(({ sinceMs }) => sinceMs <= oldestMs || this.#closed.signal.aborted);
    this.#refuse(gone, failure);
  }

  #giveUp(batch: readonly Waiting[], failure: TercetError): void {
    this.#outbox.leave(batch);
    this.#refuse(batch, failure);
  }

  #refuse(records: readonly Waiting[], failure: TercetError): void {
    for (const { topic, written } of records) {
      this.#options.observe({ kind: 'refused', topic, code: failure.code });
      written.reject(failure);
    }
  }

  #refusal(topic: TopicName, reason: string): TercetError {
    const failure = unavailable(reason);
    this.#options.observe({ kind: 'refused', topic, code: failure.code });
    return failure;
  }
}

function unavailable(reason: string): TercetError {
  return new TercetError('event_log_unavailable', { reason });
}
