/** How near two vectors are. A distance is lower the nearer they are, whichever of these made it. */
export type Metric = 'cosine' | 'inner-product' | 'l2';

export interface SearchRequest {
  /** [q, dim] */
  readonly queries: Float32Array;
  readonly k: number;
  /** Candidates that a walk keeps; more find more. */
  readonly efSearch?: number;
  /** A bit per slot, LSB first: what may be answered with; absent: everything. */
  readonly allow?: Uint32Array;
}

export interface SearchResult {
  /** [q, k], nearest first, padded with 0xffffffff */
  readonly slots: Uint32Array;
  /** [q, k] */
  readonly distances: Float32Array;
  /** How many of the k each query has. */
  readonly counts: Uint32Array;
  readonly distanceComputations: number;
}

/**
 * Port: vectors by slot, and the nearest of them. Slots are small numbers that the collection deals out; what a slot
 * held before an upsert is gone.
 */
export interface VectorIndex {
  readonly metric: Metric;
  readonly dim: number;
  readonly size: number;
  /** @param vectors [slots.length, dim] */
  upsert(slots: Uint32Array, vectors: Float32Array): void;
  remove(slots: Uint32Array): void;
  search(request: SearchRequest): SearchResult;
}

/** Stands in a result where there are fewer than k. */
export const noSlot = 0xffffffff;
