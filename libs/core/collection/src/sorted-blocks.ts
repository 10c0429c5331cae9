const blockMax = 512;

interface Block<Key> {
  readonly keys: Key[];
  readonly slots: number[];
}

/** Slots in the order of their keys, then of themselves. Cut into blocks, so that a change moves few of them. */
export class SortedBlocks<Key extends number | string> {
  readonly #blocks: Block<Key>[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The pair must not be there yet. */
  add(key: Key, slot: number): void {
    const index = Math.max(0, this.#blockFor(key, slot));
    const block = this.#blocks[index] ?? this.#first();
    const at = placeIn(block, key, slot);
    block.keys.splice(at, 0, key);
    block.slots.splice(at, 0, slot);
    this.#size++;
    if (block.keys.length <= blockMax) return;
    const half = blockMax >>> 1;
    this.#blocks.splice(index + 1, 0, { keys: block.keys.splice(half), slots: block.slots.splice(half) });
  }

  delete(key: Key, slot: number): void {
    const index = this.#blockFor(key, slot);
    const block = this.#blocks[index];
    if (block === undefined) return;
    const at = placeIn(block, key, slot);
    if (block.keys[at] !== key || block.slots[at] !== slot) return;
    block.keys.splice(at, 1);
    block.slots.splice(at, 1);
    this.#size--;
    if (block.keys.length === 0) this.#blocks.splice(index, 1);
  }

  /** How many pairs have a key below this one; with `orEqual`, not above it. */
  countBelow(key: Key, orEqual: boolean): number {
    const bound = orEqual ? Number.POSITIVE_INFINITY : -1;
    const index = this.#blockFor(key, bound);
    const block = this.#blocks[index];
    if (block === undefined) return 0;
    let count = placeIn(block, key, bound);
    for (let i = 0; i < index; i++) count += (this.#blocks[i] as Block<Key>).keys.length;
    return count;
  }

  /** Pairs whose key is above this one, in order; with `orEqual`, not below it. All of them without a key. */
  *from(key?: Key, orEqual = true): Generator<[Key, number]> {
    const bound = orEqual ? -1 : Number.POSITIVE_INFINITY;
    const start = key === undefined ? 0 : Math.max(0, this.#blockFor(key, bound));
    for (let index = start; index < this.#blocks.length; index++) {
      const block = this.#blocks[index] as Block<Key>;
      const first = key !== undefined && index === start ? placeIn(block, key, bound) : 0;
      for (let i = first; i < block.keys.length; i++) yield [block.keys[i] as Key, block.slots[i] as number];
    }
  }

  /** The last block that begins at or below the pair; -1 when all begin above it. */
  #blockFor(key: Key, slot: number): number {
    let [low, high] = [0, this.#blocks.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { keys, slots } = this.#blocks[middle] as Block<Key>;
      if (isBelow([keys[0] as Key, slots[0] as number], [key, slot], true)) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #first(): Block<Key> {
    const block = { keys: [], slots: [] };
    this.#blocks.push(block);
    return block;
  }
}

/** First place in the block that is not below the pair. */
function placeIn<Key extends number | string>({ keys, slots }: Block<Key>, key: Key, slot: number): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBelow([keys[middle] as Key, slots[middle] as number], [key, slot], false)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isBelow<Key extends number | string>(
  [keyA, slotA]: readonly [Key, number],
  [keyB, slotB]: readonly [Key, number],
  orEqual: boolean,
): boolean {
  if (keyA !== keyB) return keyA < keyB;
  return orEqual ? slotA <= slotB : slotA < slotB;
}
