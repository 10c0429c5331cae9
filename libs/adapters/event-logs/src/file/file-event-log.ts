import { randomUUID } from 'node:crypto';
import { setTimeout as sleepFor } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Clock, unreachable } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import {
  defaultPublishLimits,
  type EventLog,
  Intake,
  type NewEvent,
  type Observe,
  Publisher,
  type PublishLimits,
  type Sleep,
  type Subscription,
  type TopicName,
} from '@tercet/event-log';
import type { FiledRecord, Place } from './log-file.js';
import type { Failure, FromThread, Request, ThreadData, ToThread } from './protocol.js';

export interface FileEventLogOptions {
  /** The file, made where there is none; its folder is there. */
  readonly path: string;
  /** Who writes: a pod's name. Each start gets a producer id of its own. */
  readonly producer: string;
  readonly clock: Clock;
  /** The file takes no more when it is so large. */
  readonly bytesMax?: number;
  readonly limits?: PublishLimits;
  readonly observe?: Observe;
}

interface OpenSubscription {
  readonly subscription: Subscription;
  readonly intake: Intake;
  readonly signal: AbortSignal;
  readonly failed: PromiseWithResolvers<never>;
}

const gibibyte = 2 ** 30;
const closeMs = 2000;
const script = new URL('../../dist/file/log-thread.js', import.meta.url);
const sleep: Sleep = (ms, signal) => sleepFor(ms, undefined, { signal });

/**
 * The event log of one machine: a file that its processes share. Order per key, delivery at least once, places per
 * group. What is acknowledged is on the disk; a reader hears of it within 50 ms. A file that cannot be opened is no
 * hindrance to whoever opens this: the first publish or subscribe says so.
 */
export class FileEventLog implements EventLog {
  readonly #options: FileEventLogOptions;
  readonly #observe: Observe;
  readonly #publisher: Publisher;
  readonly #worker: Worker;
  readonly #replies = new Map<number, PromiseWithResolvers<void>>();
  readonly #subscriptions = new Map<string, OpenSubscription>();
  #lastId = 0;
  #crash: TercetError | undefined;

  constructor(options: FileEventLogOptions) {
    const { path, producer, clock, bytesMax = gibibyte, limits = defaultPublishLimits } = options;
    this.#options = options;
    this.#observe = options.observe ?? (() => undefined);
    this.#publisher = new Publisher({
      producerId: `${producer}/${randomUUID()}`,
      clock,
      sleep,
      limits,
      observe: this.#observe,
      send: (records) => {
        return this.#request({
          kind: 'append',
          records: records.map(({ topic, key, bytes }) => ({ topic, key, bytes })),
        });
      },
    });
    // Without this process's own flags, which may say that packages are to be read as sources.
    this.#worker = new Worker(script, { workerData: { path, bytesMax } satisfies ThreadData, execArgv: [] });
    this.#worker.on('message', (message: FromThread) => this.#onMessage(message));
    this.#worker.once('error', (cause) => this.#onCrash(cause));
  }

  publish(topic: TopicName, event: NewEvent): Promise<void> {
    return this.#publisher.publish(topic, event);
  }

  async subscribe(subscription: Subscription, signal: AbortSignal): Promise<void> {
    const id = randomUUID();
    const { group, topics, from } = subscription;
    const failed = Promise.withResolvers<never>();
    const stop = new AbortController();
    const handlers = AbortSignal.any([signal, stop.signal]);
    const intake = new Intake({
      subscription,
      sleep,
      observe: this.#observe,
      park: ({ topic, key, offset, bytes }, reason) =>
        this.#request({ kind: 'park', parked: { topic, group, reason, key, bytes, offset: Number(offset) } }),
    });
    this.#subscriptions.set(id, { subscription, intake, signal: handlers, failed });
    try {
      await this.#request({ kind: 'join', member: { id, group, topics, from } });
      await Promise.race([failed.promise, aborted(signal)]);
    } finally {
      stop.abort();
      this.#subscriptions.delete(id);
      if (this.#crash === undefined) await this.#request({ kind: 'leave', memberId: id }).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#publisher.close(AbortSignal.timeout(closeMs));
    const closed = new TercetError('event_log_unavailable', { reason: 'closed' });
    for (const { failed } of this.#subscriptions.values()) failed.reject(closed);
    if (this.#crash === undefined) await this.#request({ kind: 'close' }).catch(() => undefined);
    await this.#worker.terminate();
  }

  async #request(request: Request): Promise<void> {
    if (this.#crash !== undefined) throw this.#crash;
    const id = ++this.#lastId;
    const reply = Promise.withResolvers<void>();
    this.#replies.set(id, reply);
    this.#send({ kind: 'request', id, request });
    await reply.promise;
  }

  #send(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #onMessage(message: FromThread): void {
    switch (message.kind) {
      case 'reply': {
        const reply = this.#replies.get(message.id);
        this.#replies.delete(message.id);
        if (message.failure === undefined) reply?.resolve();
        else reply?.reject(errorOf(message.failure));
        return;
      }
      case 'records': {
        const open = this.#subscriptions.get(message.memberId);
        if (open !== undefined) void this.#handle(open, message);
        return;
      }
      case 'occurrence':
        this.#observe(message.occurrence);
        return;
      case 'member failed':
        this.#subscriptions.get(message.memberId)?.failed.reject(errorOf(message.failure));
        return;
      default:
        unreachable(message);
    }
  }

  /** One after the other, since they may have the same key; the thread hears of each, so that none comes again. */
  async #handle(open: OpenSubscription, { memberId, place, records }: Batch): Promise<void> {
    try {
      for (const [i, { offset, key, bytes }] of records.entries()) {
        await open.intake.take({ topic: place.topic, key, bytes, offset: BigInt(offset) }, open.signal);
        this.#send({ kind: 'handled', memberId, place, offset, isLast: i === records.length - 1 });
      }
    } catch (error) {
      if (!open.signal.aborted) open.failed.reject(error);
    }
  }

  #onCrash(cause: Error): void {
    this.#crash = new TercetError('event_log_unavailable', { path: this.#options.path }, { cause });
    for (const reply of this.#replies.values()) reply.reject(this.#crash);
    for (const { failed } of this.#subscriptions.values()) failed.reject(this.#crash);
    this.#replies.clear();
  }
}

interface Batch {
  readonly memberId: string;
  readonly place: Place;
  readonly records: readonly FiledRecord[];
}

function errorOf({ code, details }: Failure): TercetError {
  return new TercetError(code, details);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
