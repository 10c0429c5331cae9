import { TercetError } from '@tercet/contracts';
import type { GraphShape } from './shape.js';

/** Above it, squares of a component leave what a float32 can hold. */
const componentMax = 1e15;

/** @throws dimension_mismatch, vector_not_finite, vector_zero (cosine only) */
export function checkVectors({ dim, metric }: GraphShape, vectors: Float32Array, count: number): void {
  if (vectors.length !== count * dim) {
    throw new TercetError('dimension_mismatch', { expected: count * dim, found: vectors.length, dim });
  }
  for (let row = 0; row < count; row++) {
    let most = 0;
    for (let i = row * dim; i < (row + 1) * dim; i++) {
      const size = Math.abs(vectors[i] as number);
      if (!(size <= componentMax))
        throw new TercetError('vector_not_finite', { vector: row, component: i - row * dim });
      if (size > most) most = size;
    }
    if (most === 0 && metric === 'cosine') throw new TercetError('vector_zero', { vector: row });
  }
}
