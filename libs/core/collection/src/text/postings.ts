import { inserted, lowerBound } from '../slot-set.js';

/** Slots whose texts have one word, in order, and how often each has it. */
export class Postings {
  #slots: Uint32Array = new Uint32Array(2);
  #times: Uint32Array = new Uint32Array(2);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#slots.byteLength + this.#times.byteLength;
  }

  /** The slot must not be there yet. */
  add(slot: number, times: number): this {
    const at = lowerBound(this.#slots, this.#size, slot);
    this.#slots = inserted(this.#slots, { size: this.#size, at, value: slot });
    this.#times = inserted(this.#times, { size: this.#size, at, value: times });
    this.#size++;
    return this;
  }

  delete(slot: number): void {
    const at = lowerBound(this.#slots, this.#size, slot);
    if (at === this.#size || this.#slots[at] !== slot) return;
    this.#slots.copyWithin(at, at + 1, this.#size);
    this.#times.copyWithin(at, at + 1, this.#size);
    this.#size--;
  }

  each(visit: (slot: number, times: number) => void): void {
    for (let i = 0; i < this.#size; i++) visit(this.#slots[i] as number, this.#times[i] as number);
  }
}
