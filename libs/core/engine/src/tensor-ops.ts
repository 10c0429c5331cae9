/**
 * Port: the operations from which a model family builds its graph. Names and shapes follow ggml: `shape[0]` is the
 * fastest
 * dimension, so a matrix of `n` rows of width `w` is [w, n]. Nothing is computed here; the driver of the graph
 * computes.
 * Every operation checks its shapes and throws an assertion error, because the library below would end the process.
 */

export type Shape = readonly [number, number, number, number];

/** A node of a graph, or a weight. */
export interface Tensor {
  readonly shape: Shape;
}

export interface RopeOptions {
  /** `adjacent`: pairs (0,1), (2,3) …; `halves`: pairs (0, d/2), (1, d/2 + 1) … */
  readonly pairing: 'adjacent' | 'halves';
  readonly dims: number;
  readonly base: number;
  /** Positions are multiplied by this; 1 leaves them. */
  readonly scale: number;
}

export interface TensorOps {
  /** The weight of this name in the model file. @throws model_file_invalid when it is not there or has another shape */
  weight(name: string, shape: readonly number[]): Tensor;
  /** The weight, or `undefined` when the file has none of this name. */
  tryWeight(name: string, shape: readonly number[]): Tensor | undefined;

  /** a [k, m], b [k, n] → [m, n]: every row of b times every row of a. */
  mulMat(a: Tensor, b: Tensor): Tensor;
  /** Element by element; b repeats over a. */
  add(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor): Tensor;
  scale(a: Tensor, factor: number): Tensor;
  /** x / sqrt(mean(x²) + eps) per row. */
  rmsNorm(a: Tensor, eps: number): Tensor;
  /** (x − mean) / sqrt(variance + eps) per row. */
  layerNorm(a: Tensor, eps: number): Tensor;
  /** tanh approximation of GELU. */
  gelu(a: Tensor): Tensor;
  /** Exact GELU, by the error function. */
  geluExact(a: Tensor): Tensor;
  /** silu(gate) · up */
  swiglu(gate: Tensor, up: Tensor): Tensor;
  /** gelu(gate) · up, tanh approximation */
  geglu(gate: Tensor, up: Tensor): Tensor;
  /** Rotates a [headDim, heads, n] by positions [n] of int32. */
  rope(a: Tensor, positions: Tensor, options: RopeOptions): Tensor;
  /** Rows of a [w, m] by indices [n] of int32 → [w, n] of float32. */
  getRows(a: Tensor, indices: Tensor): Tensor;
  /** a [w, m] with the rows at indices [n] of int64 replaced by b [w, n]. */
  setRows(a: Tensor, b: Tensor, indices: Tensor): Tensor;
  reshape(a: Tensor, ...shape: number[]): Tensor;
  /** Dimension i of a becomes dimension axes[i] of the result; a view. */
  permute(a: Tensor, axes: readonly [number, number, number, number]): Tensor;
  /** A copy in memory order. */
  contiguous(a: Tensor): Tensor;
  /**
   * softmax(scale · q·k + mask) · v without a stored score matrix; q, k, v [headDim, rows, heads, batch] → [headDim,
   * heads, rows, batch].
   */
  attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | undefined, scale: number): Tensor;
  /** softmax(scale · a + mask) per row. */
  softmax(a: Tensor, mask: Tensor | undefined, scale: number): Tensor;
  /**
   * Patches of an image [size, size, channels, n] by kernel [p, p, channels, width] with stride p → [size/p, size/p,
   * width, n].
   */
  patchConvolution(kernel: Tensor, image: Tensor): Tensor;
}
