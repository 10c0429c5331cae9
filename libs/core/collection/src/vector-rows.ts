import type { Metric } from './vector-index.js';

const chunkRows = 4096;

/** Vectors by slot, as they were given. In chunks, so that growing copies nothing. */
export class VectorRows {
  readonly dim: number;
  readonly #chunks: Float32Array[] = [];

  constructor(dim: number) {
    this.dim = dim;
  }

  get bytes(): number {
    return this.#chunks.length * chunkRows * this.dim * 4;
  }

  set(slot: number, vector: Float32Array): void {
    const chunk = Math.floor(slot / chunkRows);
    while (this.#chunks.length <= chunk) this.#chunks.push(new Float32Array(chunkRows * this.dim));
    (this.#chunks[chunk] as Float32Array).set(vector, (slot % chunkRows) * this.dim);
  }

  /** A view, true until the slot is written again. */
  at(slot: number): Float32Array {
    const start = (slot % chunkRows) * this.dim;
    return this.chunkOf(slot).subarray(start, start + this.dim);
  }

  /** The memory that the row of a slot lies in, at {@link startOf}. */
  chunkOf(slot: number): Float32Array {
    return this.#chunks[Math.floor(slot / chunkRows)] as Float32Array;
  }

  startOf(slot: number): number {
    return (slot % chunkRows) * this.dim;
  }
}

/** A query with what every comparison needs of it once. */
export interface PreparedQuery {
  readonly vector: Float32Array;
  /** 1 / length; 1 where the metric needs no length. */
  readonly inverseNorm: number;
}

export function prepareQuery(metric: Metric, vector: Float32Array): PreparedQuery {
  return { vector, inverseNorm: metric === 'cosine' ? 1 / Math.sqrt(dot(vector, vector, 0)) : 1 };
}

/** [dim] · the row of `rows` that begins at `start` */
export function dot(vector: Float32Array, rows: Float32Array, start: number): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const { length } = vector;
  const whole = length & ~3;
  for (let i = 0, j = start; i < whole; i += 4, j += 4) {
    a += (vector[i] as number) * (rows[j] as number);
    b += (vector[i + 1] as number) * (rows[j + 1] as number);
    c += (vector[i + 2] as number) * (rows[j + 2] as number);
    d += (vector[i + 3] as number) * (rows[j + 3] as number);
  }
  for (let i = whole; i < length; i++) a += (vector[i] as number) * (rows[start + i] as number);
  return a + b + c + d;
}

/** Squared Euclidean distance of [dim] and the row of `rows` that begins at `start` */
export function squaredDistance(vector: Float32Array, rows: Float32Array, start: number): number {
  let [even, odd] = [0, 0];
  const { length } = vector;
  const whole = length & ~1;
  for (let i = 0, j = start; i < whole; i += 2, j += 2) {
    const first = (vector[i] as number) - (rows[j] as number);
    const second = (vector[i + 1] as number) - (rows[j + 1] as number);
    even += first * first;
    odd += second * second;
  }
  if (whole < length) {
    const last = (vector[whole] as number) - (rows[start + whole] as number);
    even += last * last;
  }
  return even + odd;
}
