import { rowBytes } from '../quantization/vector-code.js';
import { noSlot } from '../vector-index.js';
import type { MemoryRegion } from './region.js';
import type { GraphShape } from './shape.js';

/** Words of the head: how many entries, how many vectors were ever inserted, the entries. */
export const headWords = { entries: 0, inserted: 1, firstEntry: 16, count: 128 } as const;

/** Bits of a state; those above count changes, so that a reader knows a torn vector. */
export const stateBits = { live: 1, busy: 2, step: 4 } as const;

/** Rows whose memory is given back together, once none of them is live. */
const groupRows = 1024;

/**
 * The memory of one graph: codes, their second level, links, states and a head, row by row. Rows stay where they are
 * for the life of the graph, so that searches on other threads need no lock.
 *
 * One writer, many readers: links are single words, and a reader takes an old or a new one, both of which lead
 * somewhere. A reader compares the state of a row before and after it read the code that an answer is ordered by, and
 * leaves the row out when it changed or is not live.
 */
export class GraphMemory {
  readonly shape: GraphShape;
  readonly codeStride: number;
  readonly restStride: number;
  readonly codes: Uint8Array;
  readonly rests: Uint8Array;
  /** [slots, degreeMax], filled up with `noSlot`. */
  readonly links: Uint32Array;
  readonly states: Uint32Array;
  readonly head: Uint32Array;
  readonly regions: Readonly<Record<'codes' | 'rests' | 'links' | 'states' | 'head', MemoryRegion>>;
  readonly #liveOfGroup: Uint16Array;
  readonly #groupTouched: Uint8Array;
  #slotEnd = 0;

  constructor(shape: GraphShape, reserve: (bytes: number) => MemoryRegion) {
    const { slotsMax, degreeMax } = shape;
    const bytes = rowBytes(shape.code, shape.dim);
    this.shape = shape;
    this.codeStride = bytes.code;
    this.restStride = bytes.rest;
    this.regions = {
      codes: reserve(slotsMax * bytes.code),
      rests: reserve(slotsMax * bytes.rest),
      links: reserve(slotsMax * degreeMax * 4),
      states: reserve(slotsMax * 4),
      head: reserve(headWords.count * 4),
    };
    this.codes = new Uint8Array(this.regions.codes.buffer);
    this.rests = new Uint8Array(this.regions.rests.buffer);
    this.links = new Uint32Array(this.regions.links.buffer);
    this.states = new Uint32Array(this.regions.states.buffer);
    this.head = new Uint32Array(this.regions.head.buffer);
    this.#liveOfGroup = new Uint16Array(Math.ceil(slotsMax / groupRows));
    this.#groupTouched = new Uint8Array(this.#liveOfGroup.length);
  }

  /** Every slot that was ever in use is below it. */
  get slotEnd(): number {
    return this.#slotEnd;
  }

  /** Of the rows that hold memory, live or not. */
  get usedBytes(): number {
    const groups = this.#groupTouched.reduce((sum, touched) => sum + touched, 0);
    return groups * groupRows * (this.codeStride + this.restStride + this.shape.degreeMax * 4 + 4);
  }

  isLive(slot: number): boolean {
    return slot < this.#slotEnd && ((this.states[slot] as number) & stateBits.live) !== 0;
  }

  linksOf(slot: number): Uint32Array {
    const { degreeMax } = this.shape;
    const row = this.links.subarray(slot * degreeMax, (slot + 1) * degreeMax);
    const degree = row.indexOf(noSlot);
    return degree === -1 ? row : row.subarray(0, degree);
  }

  get entries(): Uint32Array {
    const { entries, firstEntry } = headWords;
    return this.head.subarray(firstEntry, firstEntry + (this.head[entries] as number));
  }

  /** Before rows are written. */
  claim(slots: Uint32Array): void {
    for (const slot of slots) {
      const group = Math.floor(slot / groupRows);
      this.#liveOfGroup[group] = (this.#liveOfGroup[group] as number) + 1;
      this.#groupTouched[group] = 1;
      if (slot >= this.#slotEnd) this.#slotEnd = slot + 1;
    }
  }

  /** After rows were taken out of the graph: gives back what no live row shares a group with. */
  disclaim(slots: Uint32Array): void {
    for (const slot of slots) {
      const group = Math.floor(slot / groupRows);
      const left = (this.#liveOfGroup[group] as number) - 1;
      this.#liveOfGroup[group] = left;
      if (left === 0) this.#releaseGroup(group);
    }
  }

  free(): void {
    for (const region of Object.values(this.regions)) region.free();
  }

  #releaseGroup(group: number): void {
    const [from, to] = [group * groupRows, Math.min((group + 1) * groupRows, this.shape.slotsMax)];
    const linkBytes = this.shape.degreeMax * 4;
    this.regions.codes.release(from * this.codeStride, to * this.codeStride);
    this.regions.rests.release(from * this.restStride, to * this.restStride);
    this.regions.links.release(from * linkBytes, to * linkBytes);
    this.#groupTouched[group] = 0;
  }
}
