import { type TopicName, topics } from './topics.js';

export type Offered<Item> =
  | { readonly kind: 'taken' }
  /** Taken, and these records are gone for it. */
  | { readonly kind: 'taken for others'; readonly dropped: readonly Item[] }
  | { readonly kind: 'full'; readonly capacity: number };

/**
 * Records that wait to be written, in their order, with a maximum. When it is reached, the oldest records of topics
 * that may lose some give way; a record is refused when there are none.
 */
export class Outbox<Item extends { readonly topic: TopicName }> {
  readonly capacity: number;
  #items: Item[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.#items.length;
  }

  offer(item: Item): Offered<Item> {
    if (this.#items.length < this.capacity) {
      this.#items.push(item);
      return { kind: 'taken' };
    }
    const oldest = this.#items.findIndex(mayBeDropped);
    if (oldest < 0) return { kind: 'full', capacity: this.capacity };
    const dropped = this.#items.splice(oldest, 1);
    this.#items.push(item);
    return { kind: 'taken for others', dropped };
  }

  /** The oldest records, which leave the box. */
  take(max: number): Item[] {
    return this.#items.splice(0, max);
  }

  /** Records that could not be written come back to the front. @returns those that found no room any more */
  giveBack(items: readonly Item[]): Item[] {
    this.#items = [...items, ...this.#items];
    const dropped: Item[] = [];
    while (this.#items.length > this.capacity) {
      const oldest = this.#items.findIndex(mayBeDropped);
      dropped.push(...this.#items.splice(oldest < 0 ? this.#items.length - 1 : oldest, 1));
    }
    return dropped;
  }
}

function mayBeDropped({ topic }: { readonly topic: TopicName }): boolean {
  return topics[topic].whenFull === 'drop oldest';
}
