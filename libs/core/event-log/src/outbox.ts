import { type TopicName, topics } from './topics.js';

export interface OutboxLimits {
  readonly recordsMax: number;
  readonly bytesMax: number;
}

interface Sized {
  readonly topic: TopicName;
  readonly bytes: Uint8Array;
}

export type Offered<Item> =
  /** `dropped` had to make room: the oldest of the topics whose records may be lost. */
  { readonly kind: 'taken'; readonly dropped: readonly Item[] } | { readonly kind: 'full' };

/**
 * Records that wait to be written, and those being written, within limits. At a limit, records of topics that may lose
 * some make room, the oldest first; where there are none, the newcomer is refused. What is being written stays.
 */
export class Outbox<Item extends Sized> {
  readonly #limits: OutboxLimits;
  readonly #waiting: Item[] = [];
  #records = 0;
  #bytes = 0;

  constructor(limits: OutboxLimits) {
    this.#limits = limits;
  }

  /** Records that wait or are being written. */
  get size(): number {
    return this.#records;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  offer(item: Item): Offered<Item> {
    const lost = this.#enoughFor(item);
    if (lost === undefined) return { kind: 'full' };
    for (const gone of lost) {
      this.#waiting.splice(this.#waiting.indexOf(gone), 1);
      this.#count(gone, -1);
    }
    this.#waiting.push(item);
    this.#count(item, 1);
    return { kind: 'taken', dropped: lost };
  }

  /** The oldest, to be written now; they count until {@link leave} or {@link putBack}. */
  take(recordsMax: number): Item[] {
    return this.#waiting.splice(0, recordsMax);
  }

  /** They were not written, and are the next again. */
  putBack(items: readonly Item[]): void {
    this.#waiting.unshift(...items);
  }

  /** What was taken is done with. */
  leave(items: readonly Item[]): void {
    for (const item of items) this.#count(item, -1);
  }

  /** Takes those out that wait and are so. */
  remove(isGone: (item: Item) => boolean): Item[] {
    const all = this.#waiting.splice(0);
    const { gone = [], left = [] } = Object.groupBy(all, (item) => (isGone(item) ? 'gone' : 'left'));
    this.#waiting.push(...left);
    this.leave(gone);
    return gone;
  }

  /** What must go for the item to find room, oldest first; `undefined` when that would not be enough. */
  #enoughFor(item: Item): Item[] | undefined {
    const { recordsMax, bytesMax } = this.#limits;
    let records = this.#records + 1 - recordsMax;
    let bytes = this.#bytes + item.bytes.length - bytesMax;
    const lost: Item[] = [];
    for (const waiting of this.#waiting) {
      if (records <= 0 && bytes <= 0) break;
      if (topics[waiting.topic].whenFull === 'refuse') continue;
      lost.push(waiting);
      records -= 1;
      bytes -= waiting.bytes.length;
    }
    return records <= 0 && bytes <= 0 ? lost : undefined;
  }

  #count(item: Item, sign: 1 | -1): void {
    this.#records += sign;
    this.#bytes += sign * item.bytes.length;
  }
}
