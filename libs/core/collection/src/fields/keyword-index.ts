import type { Bitmap } from '../bitmap.js';
import { SlotSet } from '../slot-set.js';

/** Slots by the texts that they have. */
export class KeywordIndex {
  readonly #sets = new Map<string, SlotSet>();

  get bytes(): number {
    let bytes = 0;
    for (const [value, set] of this.#sets) bytes += set.bytes + value.length * 2 + 64;
    return bytes;
  }

  add(slot: number, values: readonly string[]): void {
    for (const value of values) {
      const set = this.#sets.get(value) ?? new SlotSet();
      set.add(slot);
      this.#sets.set(value, set);
    }
  }

  delete(slot: number, values: readonly string[]): void {
    for (const value of values) {
      const set = this.#sets.get(value);
      set?.delete(slot);
      if (set?.size === 0) this.#sets.delete(value);
    }
  }

  count(value: string): number {
    return this.#sets.get(value)?.size ?? 0;
  }

  addTo(out: Bitmap, value: string): void {
    this.#sets.get(value)?.addTo(out);
  }
}
