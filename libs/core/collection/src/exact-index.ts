import { Bitmap } from './bitmap.js';
import { BestSlots } from './search/best-slots.js';
import { type Metric, noSlot, type SearchRequest, type SearchResult, type VectorIndex } from './vector-index.js';
import { dot, type PreparedQuery, prepareQuery, squaredDistance, VectorRows } from './vector-rows.js';

/** Compares a query with every vector that may be answered with: nothing is missed, and the time grows with them. */
export class ExactIndex implements VectorIndex {
  readonly metric: Metric;
  readonly rows: VectorRows;
  readonly #live = new Bitmap();
  /** 1 / length of each row, for cosine alone. */
  #inverseNorms = new Float32Array(0);
  #size = 0;

  constructor({ metric, dim }: Pick<VectorIndex, 'metric' | 'dim'>) {
    this.metric = metric;
    this.rows = new VectorRows(dim);
  }

  get dim(): number {
    return this.rows.dim;
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.rows.bytes + this.#live.words.byteLength + this.#inverseNorms.byteLength;
  }

  /** Slots that hold a vector. */
  get live(): Bitmap {
    return this.#live;
  }

  upsert(slots: Uint32Array, vectors: Float32Array): void {
    const { dim } = this;
    for (const [i, slot] of slots.entries()) {
      const vector = vectors.subarray(i * dim, (i + 1) * dim);
      this.rows.set(slot, vector);
      if (this.#live.add(slot)) this.#size++;
      if (this.metric === 'cosine') this.#setNorm(slot, vector);
    }
  }

  remove(slots: Uint32Array): void {
    for (const slot of slots) if (this.#live.delete(slot)) this.#size--;
  }

  search({ queries, k, allow }: SearchRequest): SearchResult {
    const { dim } = this;
    const count = queries.length / dim;
    const slots = new Uint32Array(count * k).fill(noSlot);
    const distances = new Float32Array(count * k).fill(Number.POSITIVE_INFINITY);
    const counts = new Uint32Array(count);
    let distanceComputations = 0;
    for (let q = 0; q < count; q++) {
      const best = new BestSlots(k);
      const query = prepareQuery(this.metric, queries.subarray(q * dim, (q + 1) * dim));
      distanceComputations += this.#compare(query, allow, best);
      counts[q] = best.drain(slots.subarray(q * k, (q + 1) * k), distances.subarray(q * k, (q + 1) * k));
    }
    return { slots, distances, counts, distanceComputations };
  }

  /** Distance of a query to a slot that holds a vector. */
  distance({ vector, inverseNorm }: PreparedQuery, slot: number): number {
    const chunk = this.rows.chunkOf(slot);
    const start = this.rows.startOf(slot);
    switch (this.metric) {
      case 'cosine':
        return 1 - dot(vector, chunk, start) * inverseNorm * (this.#inverseNorms[slot] as number);
      case 'inner-product':
        return -dot(vector, chunk, start);
      case 'l2':
        return squaredDistance(vector, chunk, start);
      default:
        return this.metric satisfies never;
    }
  }

  /** @returns how many vectors were compared */
  #compare(query: PreparedQuery, allow: Uint32Array | undefined, best: BestSlots): number {
    const live = this.#live.words;
    let compared = 0;
    for (let word = 0; word < live.length; word++) {
      let rest = (live[word] as number) & (allow === undefined ? -1 : (allow[word] ?? 0));
      for (; rest !== 0; rest &= rest - 1) {
        const slot = (word << 5) + 31 - Math.clz32(rest & -rest);
        best.offer(slot, this.distance(query, slot));
        compared++;
      }
    }
    return compared;
  }

  #setNorm(slot: number, vector: Float32Array): void {
    if (slot >= this.#inverseNorms.length) {
      const grown = new Float32Array(Math.max(slot + 1, this.#inverseNorms.length * 2, 64));
      grown.set(this.#inverseNorms);
      this.#inverseNorms = grown;
    }
    this.#inverseNorms[slot] = 1 / Math.sqrt(dot(vector, vector, 0));
  }
}
