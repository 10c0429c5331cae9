import { assert } from '@tercet/base';
import type { Change, Collection, LoggedChange } from '@tercet/collection';
import { TercetError, toTercetError } from '@tercet/contracts';
import type { WriteAheadLog } from './write-ahead-log.js';

/** A write that is durable, and that every later search sees. */
export interface WriteReceipt {
  readonly offset: number;
  /** Points that were written, or that were there and are gone. */
  readonly points: number;
}

/** Points as they will be once the writes before are made. */
export interface Expected {
  readonly size: number;
  has(id: string): boolean;
}

/** Work of the queue: a change, decided when its turn comes, or something that must happen between two writes. */
type Waiting =
  | {
      readonly kind: 'write';
      readonly plan: (expected: Expected) => Change;
      /** What the change is depends on the points themselves: those before it must have been made. */
      readonly readsPoints: boolean;
      readonly done: PromiseWithResolvers<WriteReceipt>;
    }
  | { readonly kind: 'between'; readonly run: () => Promise<void> };

type Write = Extract<Waiting, { kind: 'write' }>;

/** Writes that become durable together, in bytes as far as vectors and payloads tell. */
const batchBytesMax = 4 * 1024 * 1024;

/**
 * Writes of one collection, in order. Those that come while the disk is busy become durable together with one sync;
 * only then they are made in memory, and their callers told.
 */
export class WriteQueue {
  readonly #memory: Collection;
  readonly #log: WriteAheadLog;
  readonly #waitingMax: number;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #made = Promise.withResolvers<void>();

  constructor({ memory, log, waitingMax }: { memory: Collection; log: WriteAheadLog; waitingMax: number }) {
    this.#memory = memory;
    this.#log = log;
    this.#waitingMax = waitingMax;
  }

  get isIdle(): boolean {
    return this.#running === undefined;
  }

  /** @throws overloaded, disk_full, store_unavailable, and whatever `plan` does */
  write(plan: Write['plan'], { readsPoints = false } = {}): Promise<WriteReceipt> {
    if (this.#waiting.length >= this.#waitingMax) {
      return Promise.reject(new TercetError('overloaded', { writesWaitingMax: this.#waitingMax }));
    }
    const done = Promise.withResolvers<WriteReceipt>();
    this.#add({ kind: 'write', plan, readsPoints, done });
    return done.promise;
  }

  /** Runs `work` while nothing is written. */
  async between<T>(work: () => Promise<T>): Promise<T> {
    const done = Promise.withResolvers<T>();
    this.#add({ kind: 'between', run: () => work().then(done.resolve, done.reject) });
    return done.promise;
  }

  /** Resolves when a search sees the write at `offset`. @throws the reason of the signal */
  async seen(offset: number, signal: AbortSignal): Promise<void> {
    const { promise: stopped, reject } = Promise.withResolvers<never>();
    const stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    stopped.catch(() => undefined);
    try {
      signal.throwIfAborted();
      while (this.#log.last < offset) await Promise.race([this.#made.promise, stopped]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Waits for all that was asked for. */
  async drained(): Promise<void> {
    await this.#running;
  }

  #add(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const [next] = this.#waiting;
        if (next?.kind === 'between') {
          this.#waiting.shift();
          await next.run();
        } else await this.#writeBatch();
      }
    } finally {
      this.#running = undefined;
    }
  }

  async #writeBatch(): Promise<void> {
    const { changes, writes } = this.#takeBatch();
    try {
      if (changes.length > 0) await this.#log.append(changes);
      else await Promise.resolve();
    } catch (error) {
      for (const { done } of writes) done.reject(error);
      return;
    }
    for (const [i, { offset, change }] of changes.entries()) {
      writes[i]?.done.resolve({ offset, points: this.#memory.apply(change) });
    }
    this.#made.resolve();
    this.#made = Promise.withResolvers();
  }

  /** The next writes, decided one after the other; one that is refused is told so and is not among them. */
  #takeBatch(): { changes: LoggedChange[]; writes: Write[] } {
    const changes: LoggedChange[] = [];
    const writes: Write[] = [];
    const expected = new ExpectedPoints(this.#memory);
    let bytes = 0;
    while (bytes < batchBytesMax) {
      const [next] = this.#waiting;
      if (next?.kind !== 'write' || (next.readsPoints && changes.length > 0)) break;
      this.#waiting.shift();
      try {
        const change = next.plan(expected);
        expected.note(change);
        changes.push({ offset: this.#log.last + changes.length + 1, change });
        writes.push(next);
        bytes += bytesOf(change);
      } catch (error) {
        next.done.reject(toTercetError(error));
      }
    }
    assert(changes.length === writes.length, 'a change without a caller');
    return { changes, writes };
  }
}

/** What is in memory, with changes on top that are not made yet. */
class ExpectedPoints implements Expected {
  readonly #memory: Collection;
  readonly #changed = new Map<string, boolean>();
  size: number;

  constructor(memory: Collection) {
    this.#memory = memory;
    this.size = memory.size;
  }

  has(id: string): boolean {
    return this.#changed.get(id) ?? this.#memory.has(id);
  }

  note(change: Change): void {
    const isThere = change.kind === 'upsert';
    for (const id of change.kind === 'upsert' ? change.points.ids : change.ids) {
      if (this.has(id) !== isThere) this.size += isThere ? 1 : -1;
      this.#changed.set(id, isThere);
    }
  }
}

function bytesOf(change: Change): number {
  if (change.kind === 'delete') return change.ids.length * 16;
  const { ids, vectors, payloads } = change.points;
  return vectors.byteLength + payloads.reduce((sum, { length }) => sum + length, ids.length * 16);
}
