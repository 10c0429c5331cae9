/** Vectors to index and vectors to ask with, of length 1, row by row. */
export interface VectorSet {
  readonly name: string;
  readonly dim: number;
  readonly base: Float32Array;
  readonly queries: Float32Array;
}
