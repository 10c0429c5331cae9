import type { Bitmap } from '../bitmap.js';
import type { Bounds } from '../filter/filter.js';
import { SortedBlocks } from '../sorted-blocks.js';

/** Slots in the order of their numbers. */
export class NumberIndex {
  readonly #sorted = new SortedBlocks<number>();

  /** An estimate: a double and a small integer for each. */
  get bytes(): number {
    return this.#sorted.size * 12;
  }

  add(slot: number, value: number): void {
    this.#sorted.add(value, slot);
  }

  delete(slot: number, value: number): void {
    this.#sorted.delete(value, slot);
  }

  /** How many numbers lie within the bounds. */
  count({ above, atLeast, below, atMost }: Bounds<number>): number {
    const low = above ?? atLeast;
    const high = below ?? atMost;
    const before = low === undefined ? 0 : this.#sorted.countBelow(low, above !== undefined);
    const until = high === undefined ? this.#sorted.size : this.#sorted.countBelow(high, atMost !== undefined);
    return Math.max(0, until - before);
  }

  /** Adds the slots whose numbers lie within the bounds. */
  addTo(out: Bitmap, { above, atLeast, below, atMost }: Bounds<number>): void {
    const high = below ?? atMost ?? Number.POSITIVE_INFINITY;
    for (const [value, slot] of this.#sorted.from(above ?? atLeast, above === undefined)) {
      if (value > high || (value === high && below !== undefined)) return;
      out.add(slot);
    }
  }
}
