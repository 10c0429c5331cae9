import type { Shape, Tensor } from '@tercet/engine';
import { ggmlTypes } from '@tercet/gguf';
import type { Pointer } from './ffi.js';

/** Element types that graphs use beside those of weights; the numbers are ggml's. */
export const elementType = { f32: 0, f16: 1, i32: 26, i64: 27 } as const;

/** What is no matrix: Q8_1 and Q8_K stand for inputs only, and whole numbers and float64 have no products. */
const otherTypes: ReadonlySet<number> = new Set([9, 15, 24, 25, 26, 27, 28]);

/** Whether rows of this element type can be multiplied and looked up. */
export function isMatrixType(type: number): boolean {
  return ggmlTypes.has(type) && !otherTypes.has(type);
}

/** A tensor of the library: its address, and what TypeScript checks before the library would. */
export interface Node extends Tensor {
  readonly pointer: Pointer;
  readonly type: number;
  readonly shape: Shape;
  /** Elements lie in order without gaps. */
  readonly contiguous: boolean;
}
