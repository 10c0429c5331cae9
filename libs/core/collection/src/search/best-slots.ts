/** The k slots with the lowest distance of all that were offered; of equals, the lower slot. */
export class BestSlots {
  readonly #k: number;
  /** A heap whose top is the worst that is kept. */
  readonly #slots: Uint32Array;
  readonly #distances: Float64Array;
  #size = 0;

  constructor(k: number) {
    this.#k = k;
    this.#slots = new Uint32Array(k);
    this.#distances = new Float64Array(k);
  }

  offer(slot: number, distance: number): void {
    if (this.#size < this.#k) {
      this.#rise(this.#size++, slot, distance);
      return;
    }
    if (this.#k > 0 && isWorse(this.#distances[0] as number, this.#slots[0] as number, distance, slot)) {
      this.#sink(this.#size, slot, distance);
    }
  }

  /** Empties it into `slots` and `distances`, nearest first. @returns how many there were */
  drain(slots: Uint32Array, distances: Float32Array | Float64Array): number {
    const count = this.#size;
    for (let at = count - 1; at >= 0; at--) {
      slots[at] = this.#slots[0] as number;
      distances[at] = this.#distances[0] as number;
      this.#size = at;
      this.#sink(at, this.#slots[at] as number, this.#distances[at] as number);
    }
    return count;
  }

  #rise(from: number, slot: number, distance: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const [parentDistance, parentSlot] = [this.#distances[parent] as number, this.#slots[parent] as number];
      if (!isWorse(distance, slot, parentDistance, parentSlot)) break;
      this.#put(at, parentSlot, parentDistance);
      at = parent;
    }
    this.#put(at, slot, distance);
  }

  #sink(size: number, slot: number, distance: number): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#isWorseAt(child + 1, child)) child++;
      const [childDistance, childSlot] = [this.#distances[child] as number, this.#slots[child] as number];
      if (!isWorse(childDistance, childSlot, distance, slot)) break;
      this.#put(at, childSlot, childDistance);
      at = child;
    }
    this.#put(at, slot, distance);
  }

  #isWorseAt(a: number, b: number): boolean {
    const [distanceA, distanceB] = [this.#distances[a] as number, this.#distances[b] as number];
    return isWorse(distanceA, this.#slots[a] as number, distanceB, this.#slots[b] as number);
  }

  #put(at: number, slot: number, distance: number): void {
    this.#slots[at] = slot;
    this.#distances[at] = distance;
  }
}

function isWorse(distanceA: number, slotA: number, distanceB: number, slotB: number): boolean {
  return distanceA > distanceB || (distanceA === distanceB && slotA > slotB);
}
