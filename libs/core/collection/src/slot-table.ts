import { SortedBlocks } from './sorted-blocks.js';

/** Which point is where: ids and slots. A slot that became free is dealt out again, so that slots stay few. */
export class SlotTable {
  readonly #slots = new Map<string, number>();
  readonly #ids: (string | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #ordered = new SortedBlocks<string>();
  #idChars = 0;

  get size(): number {
    return this.#slots.size;
  }

  /** Every slot in use is below it. */
  get end(): number {
    return this.#ids.length;
  }

  /** An estimate: two references in the order and the maps, and the characters. */
  get bytes(): number {
    return this.#idChars + this.size * 64;
  }

  slotOf(id: string): number | undefined {
    return this.#slots.get(id);
  }

  /** Of a slot in use; undefined for a free one. */
  idOf(slot: number): string | undefined {
    return this.#ids[slot];
  }

  /** The slot of the id, a new one where it had none. */
  take(id: string): number {
    const known = this.#slots.get(id);
    if (known !== undefined) return known;
    const slot = this.#free.pop() ?? this.#ids.length;
    this.#slots.set(id, slot);
    this.#ids[slot] = id;
    this.#ordered.add(id, slot);
    this.#idChars += id.length;
    return slot;
  }

  /** Frees the slot of the id. @returns the slot; undefined when there was none */
  release(id: string): number | undefined {
    const slot = this.#slots.get(id);
    if (slot === undefined) return undefined;
    this.#slots.delete(id);
    this.#ids[slot] = undefined;
    this.#free.push(slot);
    this.#ordered.delete(id, slot);
    this.#idChars -= id.length;
    return slot;
  }

  /** Slots in the order of their ids, those behind `after`. */
  *inOrder(after?: string): Generator<number> {
    for (const [, slot] of this.#ordered.from(after, false)) yield slot;
  }
}
