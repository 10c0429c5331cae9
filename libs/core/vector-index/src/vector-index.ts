/** How near two vectors are. Cosine looks at directions only: vectors are brought to length 1 when they come in. */
export type Metric = 'cosine' | 'inner-product' | 'l2';

export interface SearchRequest {
  /** [q, dim] */
  readonly queries: Float32Array;
  readonly k: number;
  /** Length of the list of candidates: the longer, the surer and the slower. */
  readonly efSearch?: number;
  /** A bit per slot, least significant first; slots that it is too short for are not allowed. Absent: all are. */
  readonly allow?: Uint32Array;
}

/**
 * Nearest first. A distance is 1 - cosine, minus the inner product, or the squared length of the difference: lower is
 * nearer in each.
 */
export interface SearchResult {
  /** [q, k], filled up with 0xffffffff. */
  readonly slots: Uint32Array;
  /** [q, k] */
  readonly distances: Float32Array;
  /** [q]: how many of the k there are. */
  readonly counts: Uint32Array;
  readonly distanceComputations: number;
}

/** Vectors under slots, small integers that the owner hands out and may use again after a removal. */
export interface VectorIndex {
  readonly metric: Metric;
  readonly dim: number;
  /** Vectors in the index. */
  readonly size: number;
  /**
   * Adds vectors, or puts them in the place of those under the same slots.
   * @param vectors [slots, dim]
   * @throws dimension_mismatch, vector_not_finite, vector_zero, index_limit_reached, invalid_request
   */
  upsert(slots: Uint32Array, vectors: Float32Array): void;
  /** Takes vectors out and frees their memory; slots without one are passed over. */
  remove(slots: Uint32Array): void;
  /** @throws dimension_mismatch, vector_not_finite, vector_zero, invalid_request */
  search(request: SearchRequest): SearchResult;
}

export const noSlot = 0xffffffff;
