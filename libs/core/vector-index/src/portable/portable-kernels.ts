import type { GraphKernel, KernelSearch, VectorKernels } from '../graph/kernels.js';
import { type GraphMemory, stateBits } from '../graph/memory.js';
import type { MemoryRegion } from '../graph/region.js';
import { noSlot, type SearchResult } from '../vector-index.js';
import { Beam } from './beam.js';
import type { CodeRows, PreparedQuery } from './code-rows.js';
import { FloatRows } from './float-rows.js';
import { linkRow, unlinkRow } from './links.js';
import { LvqRows } from './lvq-rows.js';
import { prepareQuery } from './prepare.js';
import { isAllowed, walkGraph } from './walk.js';

/** The twin of the native kernels, for every machine: the same graph and results, a hundredth of the speed. */
export const portableVectorKernels: VectorKernels = {
  variant: 'typescript',
  isSlow: true,
  reserve: (bytes) => new PortableRegion(bytes),
  open: (memory) => new PortableGraph(memory),
};

class PortableRegion implements MemoryRegion {
  readonly buffer: ArrayBuffer;

  constructor(bytes: number) {
    this.buffer = new ArrayBuffer(bytes);
  }

  /** Nothing goes back to the system from here; the range is used again. */
  release(fromByte: number, toByte: number): void {
    new Uint8Array(this.buffer).fill(0, fromByte, toByte);
  }

  free(): void {
    // The garbage collector's.
  }
}

class PortableGraph implements GraphKernel {
  readonly #memory: GraphMemory;
  readonly #rows: CodeRows;

  constructor(memory: GraphMemory) {
    this.#memory = memory;
    const { code } = memory.shape;
    this.#rows = code.kind === 'lvq' ? new LvqRows(memory, code) : new FloatRows(memory);
  }

  insert(slots: Uint32Array, vectors: Float32Array): void {
    const { states, shape } = this.#memory;
    for (const [i, slot] of slots.entries()) {
      const query = prepareQuery(shape, vectors.subarray(i * shape.dim, (i + 1) * shape.dim));
      this.#rows.write(slot, query.values);
      states[slot] = ((states[slot] as number) + stateBits.step) | stateBits.live;
      linkRow({ memory: this.#memory, rows: this.#rows }, slot, query);
    }
  }

  remove(slots: Uint32Array): void {
    for (const slot of slots) {
      const query = prepareQuery(this.#memory.shape, this.decode(slot));
      unlinkRow({ memory: this.#memory, rows: this.#rows }, slot, query);
    }
  }

  search(search: KernelSearch): SearchResult {
    const plan = planSearch(this.#memory, search);
    return this.#each(search, (query) =>
      plan.scans ? this.#scan(query, search, plan.room) : this.#walk(query, search, plan.room),
    );
  }

  scan(search: KernelSearch): SearchResult {
    const room = Math.max(search.k, search.rerank);
    return this.#each(search, (query) => this.#scan(query, search, room));
  }

  async searchAsync(search: KernelSearch): Promise<SearchResult> {
    return this.search(search);
  }

  async scanAsync(search: KernelSearch): Promise<SearchResult> {
    return this.scan(search);
  }

  distances(query: Float32Array, slots: Uint32Array, level: 1 | 2): Float32Array {
    const prepared = prepareQuery(this.#memory.shape, query);
    const rows = this.#rows;
    const distance = (slot: number) => (level === 1 ? rows.near(prepared, slot) : rows.exact(prepared, slot));
    return Float32Array.from(slots, distance);
  }

  decode(slot: number): Float32Array {
    return this.#rows.decode(slot);
  }

  #each({ queries, k }: KernelSearch, answer: (query: PreparedQuery) => Answer): SearchResult {
    const { shape } = this.#memory;
    const count = queries.length / shape.dim;
    const slots = new Uint32Array(count * k).fill(noSlot);
    const distances = new Float32Array(count * k);
    const counts = new Uint32Array(count);
    let distanceComputations = 0;
    for (let i = 0; i < count; i++) {
      const { best, computations } = answer(prepareQuery(shape, queries.subarray(i * shape.dim, (i + 1) * shape.dim)));
      slots.set(best.slots.subarray(0, best.size), i * k);
      distances.set(best.distances.subarray(0, best.size), i * k);
      counts[i] = best.size;
      distanceComputations += computations;
    }
    return { slots, distances, counts, distanceComputations };
  }

  #walk(query: PreparedQuery, search: KernelSearch, room: number): Answer {
    const distance = (slot: number) => this.#rows.near(query, slot);
    const { found, computations } = walkGraph({ memory: this.#memory, room, allow: search.allow, distance });
    const best = this.#finish(query, found, search);
    if (best.size === search.k) return { best, computations };
    const scanned = this.#scan(query, search, room);
    return { best: scanned.best, computations: computations + scanned.computations };
  }

  #scan(query: PreparedQuery, search: KernelSearch, room: number): Answer {
    const beam = new Beam(room);
    let computations = 0;
    for (let slot = 0; slot < this.#memory.slotEnd; slot++) {
      if (!this.#memory.isLive(slot) || (search.allow !== undefined && !isAllowed(search.allow, slot))) continue;
      beam.take(this.#rows.near(query, slot), slot);
      computations++;
    }
    return { best: this.#finish(query, beam, search), computations };
  }

  /** Orders the nearest candidates by both levels of their codes. */
  #finish(query: PreparedQuery, beam: Beam, { k, rerank }: KernelSearch): Beam {
    const best = new Beam(k);
    let left = Math.max(k, rerank);
    for (let i = 0; i < beam.size && left > 0; i++) {
      const slot = beam.slots[i] as number;
      if (!this.#memory.isLive(slot)) continue;
      best.take(this.#rows.exact(query, slot), slot);
      left--;
    }
    return best;
  }
}

interface Answer {
  readonly best: Beam;
  readonly computations: number;
}

/** By a walk, whose list is the longer the less is allowed, or by comparing all that is. */
function planSearch({ shape, slotEnd }: GraphMemory, { k, ef, allow }: KernelSearch): { scans: boolean; room: number } {
  const room = Math.max(k, ef);
  if (allow === undefined) return { scans: false, room };
  const matches = allow.reduce((sum, word) => sum + bitsOf(word), 0);
  const longer = (room * slotEnd) / Math.max(matches, 1);
  const scans = (longer * shape.degreeMax) / 2 > matches;
  return { scans, room: scans ? room : Math.floor(longer) };
}

function bitsOf(word: number): number {
  let pairs = word - ((word >>> 1) & 0x55555555);
  pairs = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((pairs + (pairs >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
