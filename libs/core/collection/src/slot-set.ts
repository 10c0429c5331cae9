import { Bitmap } from './bitmap.js';

/** From so many slots on, bits take less than a list. */
const listMax = 4096;

/** A set of slots that is small where it has few: a sorted list first, bits later. */
export class SlotSet {
  #list: Uint32Array | undefined = new Uint32Array(4);
  #bits = new Bitmap();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return (this.#list ?? this.#bits.words).byteLength;
  }

  add(slot: number): void {
    if (this.#list === undefined) {
      if (this.#bits.add(slot)) this.#size++;
      return;
    }
    const at = lowerBound(this.#list, this.#size, slot);
    if (at < this.#size && this.#list[at] === slot) return;
    if (this.#size === listMax) {
      this.#toBits(this.#list);
      this.add(slot);
      return;
    }
    this.#list = inserted(this.#list, { size: this.#size, at, value: slot });
    this.#size++;
  }

  delete(slot: number): void {
    if (this.#list === undefined) {
      if (this.#bits.delete(slot)) this.#size--;
      return;
    }
    const at = lowerBound(this.#list, this.#size, slot);
    if (at === this.#size || this.#list[at] !== slot) return;
    this.#list.copyWithin(at, at + 1, this.#size);
    this.#size--;
  }

  /** Adds the slots of this set to the bits. */
  addTo(out: Bitmap): void {
    if (this.#list === undefined) out.unite(this.#bits);
    else for (let i = 0; i < this.#size; i++) out.add(this.#list[i] as number);
  }

  #toBits(list: Uint32Array): void {
    for (const slot of list) this.#bits.add(slot);
    this.#list = undefined;
  }
}

/** First place whose slot is not below `slot`. */
export function lowerBound(sorted: Uint32Array, size: number, slot: number): number {
  let [low, high] = [0, size];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < slot) low = middle + 1;
    else high = middle;
  }
  return low;
}

interface Insertion {
  /** Of the list before. */
  readonly size: number;
  readonly at: number;
  readonly value: number;
}

/** The list with the value at its place: the same memory where there is room. */
export function inserted(list: Uint32Array, { size, at, value }: Insertion): Uint32Array {
  const room = size < list.length ? list : grown(list, size * 2);
  room.copyWithin(at + 1, at, size);
  room[at] = value;
  return room;
}

function grown(list: Uint32Array, length: number): Uint32Array {
  const room = new Uint32Array(Math.max(4, length));
  room.set(list);
  return room;
}
