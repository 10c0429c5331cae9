import { TercetError } from '@tercet/contracts';
import type { Gguf } from '@tercet/gguf';
import type { Tensor, TensorOps } from '../tensor-ops.js';

/** Sizes of a decoder, read from the model file. */
export interface DecoderShape {
  readonly architecture: string;
  readonly layerCount: number;
  readonly width: number;
  readonly headCount: number;
  readonly kvHeadCount: number;
  readonly headDim: number;
  readonly feedForward: number;
  readonly vocabSize: number;
  readonly contextTokensMax: number;
  readonly normEps: number;
  readonly ropeBase: number;
}

/** What a layer asks of the driver of the graph: where the rows stand, and attention over their stored KV. */
export interface Attention {
  /** Positions of the rows, int32 [n]. */
  readonly positions: Tensor;
  /**
   * Stores k and v [headDim, kvHeads, n] of these rows and attends q [headDim, heads, n] over all rows of their
   * sequences.
   * @returns [headDim * heads, m], of the wanted rows
   */
  attend(layer: number, qkv: { q: Tensor; k: Tensor; v: Tensor }, options: AttendOptions): Tensor;
  /** Rows of x [width, n] that the layer goes on with, [width, m]: of the last layer of a prompt only the last. */
  wanted(layer: number, x: Tensor): Tensor;
}

export interface AttendOptions {
  readonly scale: number;
  /** Rows further back than this many tokens are not seen; unset sees all. */
  readonly window?: number;
}

/** A decoder as three pieces, so that the driver may compute layers in groups and the head on few rows. */
export interface DecoderFamily {
  readonly shape: DecoderShape;
  /** Token ids [n] of int32 → rows [width, n]. */
  embed(ops: TensorOps, tokenIds: Tensor): Tensor;
  layer(ops: TensorOps, index: number, x: Tensor, attention: Attention): Tensor;
  /** Rows [width, n] → logits [vocab, n]. */
  head(ops: TensorOps, x: Tensor): Tensor;
}

/** Beyond every model of these families; a file that says more lies. */
const limits = { width: 65_536, heads: 1_024, layers: 1_024, headDim: 1_024, context: 2 ** 24 };

/** Sizes under the keys that all decoder architectures share, `<architecture>.…`. @throws model_file_invalid */
export function decoderShape(gguf: Gguf): DecoderShape {
  const architecture = gguf.requireString('general.architecture');
  const key = (name: string) => `${architecture}.${name}`;
  const width = gguf.requireCount(key('embedding_length'), limits.width);
  const headCount = gguf.requireCount(key('attention.head_count'), limits.heads);
  const shape = {
    architecture,
    width,
    headCount,
    layerCount: gguf.requireCount(key('block_count'), limits.layers),
    kvHeadCount: gguf.countOr(key('attention.head_count_kv'), headCount, limits.heads),
    headDim: gguf.countOr(key('attention.key_length'), width / headCount, limits.headDim),
    feedForward: gguf.requireCount(key('feed_forward_length'), limits.width * 8),
    vocabSize: gguf.tensors.get('token_embd.weight')?.shape[1] ?? 0,
    contextTokensMax: gguf.requireCount(key('context_length'), limits.context),
    normEps: gguf.positiveOr(key('attention.layer_norm_rms_epsilon'), 1e-5),
    ropeBase: gguf.positiveOr(key('rope.freq_base'), 10_000),
  };
  const { headDim, kvHeadCount, vocabSize } = shape;
  // A single head would have a single row of queries, whose attention depends on the number of threads.
  if (headDim % 2 !== 0 || headCount % kvHeadCount !== 0 || headCount < 2 || vocabSize < 1) {
    const sizes = { headDim, headCount, kvHeadCount, vocabSize };
    throw new TercetError('model_file_invalid', { reason: 'heads or vocabulary cannot be', ...sizes });
  }
  return shape;
}
