export type OfferResult = { kind: 'taken' } | { kind: 'full'; capacity: number };

type Waiter<T> = { resolve: (value: T | undefined) => void; reject: (reason: unknown) => void };

/**
 * First in, first out, with a maximum. The producer learns that the queue is full; nothing is dropped in silence.
 * One consumer at a time may wait in `take`.
 */
export class BoundedQueue<T> {
  readonly capacity: number;
  #items: T[] = [];
  #head = 0;
  #closed = false;
  #waiter: Waiter<T> | undefined;

  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new RangeError(`capacity must be ≥ 1, got ${capacity}`);
    this.capacity = capacity;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** Adds an item, or says that the queue is full. @throws Error when the queue is closed */
  offer(item: T): OfferResult {
    if (this.#closed) throw new Error('bug: offer to a closed queue');
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      waiter.resolve(item);
      return { kind: 'taken' };
    }
    if (this.size >= this.capacity) return { kind: 'full', capacity: this.capacity };
    this.#items.push(item);
    return { kind: 'taken' };
  }

  /** Takes the oldest item at once, or `undefined` when there is none. */
  tryTake(): T | undefined {
    if (this.#head >= this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#head += 1;
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Waits for an item; `undefined` after `close` once all items are taken. @throws the signal's reason when aborted */
  async take(signal: AbortSignal): Promise<T | undefined> {
    const ready = this.tryTake();
    if (ready !== undefined || this.#closed) return ready;
    if (this.#waiter !== undefined) throw new Error('bug: two consumers wait on one queue');
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
    const onAbort = () => {
      this.#waiter = undefined;
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waiter = { resolve, reject };
    return promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  /** No more items will come; a waiting consumer wakes with `undefined`. */
  close(): void {
    this.#closed = true;
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.resolve(undefined);
  }
}
