/** A set of slots as bits, LSB first: the form in which an index takes what it may answer with. It grows as needed. */
export class Bitmap {
  #words: Uint32Array;

  constructor(slots = 0) {
    this.#words = new Uint32Array((slots + 31) >>> 5);
  }

  /** The bits themselves; slots behind the end are not in the set. */
  get words(): Uint32Array {
    return this.#words;
  }

  has(slot: number): boolean {
    return (((this.#words[slot >>> 5] ?? 0) >>> (slot & 31)) & 1) === 1;
  }

  /** @returns whether it was not there before */
  add(slot: number): boolean {
    const word = slot >>> 5;
    if (word >= this.#words.length) this.#grow(word + 1);
    const before = this.#words[word] as number;
    const after = before | (1 << (slot & 31));
    this.#words[word] = after;
    return after >>> 0 !== before;
  }

  /** @returns whether it was there */
  delete(slot: number): boolean {
    const word = slot >>> 5;
    const before = this.#words[word] ?? 0;
    const after = before & ~(1 << (slot & 31));
    if (after >>> 0 === before) return false;
    this.#words[word] = after;
    return true;
  }

  /** How many slots are in the set. Counts them. */
  count(): number {
    let count = 0;
    for (let i = 0; i < this.#words.length; i++) count += bitsOf(this.#words[i] as number);
    return count;
  }

  copy(): Bitmap {
    const copy = new Bitmap();
    copy.#words = this.#words.slice();
    return copy;
  }

  /** Keeps what is in both. */
  intersect({ words }: Bitmap): this {
    for (let i = 0; i < this.#words.length; i++) this.#words[i] = (this.#words[i] as number) & (words[i] ?? 0);
    return this;
  }

  /** Adds what is in the other. */
  unite({ words }: Bitmap): this {
    if (words.length > this.#words.length) this.#grow(words.length);
    for (let i = 0; i < words.length; i++) this.#words[i] = (this.#words[i] as number) | (words[i] as number);
    return this;
  }

  /** Takes away what is in the other. */
  subtract({ words }: Bitmap): this {
    const shared = Math.min(words.length, this.#words.length);
    for (let i = 0; i < shared; i++) this.#words[i] = (this.#words[i] as number) & ~(words[i] as number);
    return this;
  }

  /** Slots in ascending order. */
  each(visit: (slot: number) => void): void {
    for (let i = 0; i < this.#words.length; i++) {
      for (let rest = this.#words[i] as number; rest !== 0; rest &= rest - 1) {
        visit((i << 5) + 31 - Math.clz32(rest & -rest));
      }
    }
  }

  #grow(words: number): void {
    const grown = new Uint32Array(Math.max(words, this.#words.length * 2, 4));
    grown.set(this.#words);
    this.#words = grown;
  }
}

function bitsOf(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
