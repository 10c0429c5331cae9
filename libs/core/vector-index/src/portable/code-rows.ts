/** A query, of length 1 where the metric is cosine. */
export interface PreparedQuery {
  /** [padded dim] */
  readonly values: Float32Array;
  /** The values on a grid of 255 levels. */
  readonly codes: Int8Array;
  readonly scale: number;
  readonly sum: number;
  /** What the query adds to every distance, and the factor of the inner product in it. */
  readonly base: number;
  readonly factor: number;
}

/** How one kind of code is written and compared. Distances are rounded to float32, as native code has them. */
export interface CodeRows {
  write(slot: number, values: Float32Array): void;
  /** Makes the distance of a row to everything infinite or NaN. */
  blank(slot: number): void;
  /** By the first level. */
  near(query: PreparedQuery, slot: number): number;
  /** By both levels and the query's own values. */
  exact(query: PreparedQuery, slot: number): number;
  /** Distance of two rows, by which links are chosen. */
  between(a: number, b: number): number;
  /** [dim] */
  decode(slot: number): Float32Array;
}
