/** Vectors to index and vectors to ask with, of length 1, row by row, and the folder of their files. */
export interface VectorSet {
  readonly name: string;
  readonly dim: number;
  readonly folder: string;
  readonly base: Float32Array;
  readonly queries: Float32Array;
}
