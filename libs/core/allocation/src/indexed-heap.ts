/** Which of n things has the least key, of equal ones the first, where keys change. Cost: log n a change. */
export class IndexedHeap {
  readonly #keys: Float64Array;
  readonly #heap: Uint32Array;
  readonly #places: Uint32Array;

  /** All keys are equal at first. */
  constructor(size: number, key: number) {
    this.#keys = new Float64Array(size).fill(key);
    this.#heap = Uint32Array.from({ length: size }, (_, i) => i);
    this.#places = Uint32Array.from({ length: size }, (_, i) => i);
  }

  get least(): number {
    return this.#heap[0] as number;
  }

  get leastKey(): number {
    return this.#keys[this.#heap[0] as number] as number;
  }

  key(item: number): number {
    return this.#keys[item] as number;
  }

  set(item: number, key: number): void {
    const before = this.#keys[item] as number;
    this.#keys[item] = key;
    if (key < before) this.#rise(item, key);
    else this.#sink(item, key);
  }

  #rise(item: number, key: number): void {
    const heap = this.#heap;
    let place = this.#places[item] as number;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = heap[above] as number;
      if (!this.#isLess(item, key, other)) break;
      heap[place] = other;
      this.#places[other] = place;
      place = above;
    }
    heap[place] = item;
    this.#places[item] = place;
  }

  #sink(item: number, key: number): void {
    const heap = this.#heap;
    const { length } = heap;
    let place = this.#places[item] as number;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= length) break;
      const right = below + 1;
      if (right < length && this.#isLess(heap[right] as number, this.#at(right), heap[below] as number)) below = right;
      const other = heap[below] as number;
      if (this.#isLess(item, key, other)) break;
      heap[place] = other;
      this.#places[other] = place;
      place = below;
    }
    heap[place] = item;
    this.#places[item] = place;
  }

  #isLess(item: number, key: number, other: number): boolean {
    const otherKey = this.#keys[other] as number;
    return key < otherKey || (key === otherKey && item < other);
  }

  #at(place: number): number {
    return this.#keys[this.#heap[place] as number] as number;
  }
}
