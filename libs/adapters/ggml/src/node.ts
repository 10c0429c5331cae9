import type { Shape, Tensor } from '@tercet/engine';
import type { Pointer } from './ffi.js';

/** Element types that graphs use beside those of weights; the numbers are ggml's. */
export const elementType = { f32: 0, f16: 1, i32: 26, i64: 27 } as const;

/** A tensor of the library: its address, and what TypeScript checks before the library would. */
export interface Node extends Tensor {
  readonly pointer: Pointer;
  readonly type: number;
  readonly shape: Shape;
  /** Elements lie in order without gaps. */
  readonly contiguous: boolean;
}
