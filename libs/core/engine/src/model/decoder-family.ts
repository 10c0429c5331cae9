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
   * @returns [headDim * heads, n]
   */
  attend(layer: number, qkv: { q: Tensor; k: Tensor; v: Tensor }, options: AttendOptions): Tensor;
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

/** Sizes under the keys that all decoder architectures share, `<architecture>.…`. @throws model_file_invalid */
export function decoderShape(gguf: Gguf): DecoderShape {
  const architecture = gguf.requireString('general.architecture');
  const key = (name: string) => `${architecture}.${name}`;
  const width = gguf.requireNumber(key('embedding_length'));
  const headCount = gguf.requireNumber(key('attention.head_count'));
  return {
    architecture,
    width,
    headCount,
    layerCount: gguf.requireNumber(key('block_count')),
    kvHeadCount: gguf.numberOr(key('attention.head_count_kv'), headCount),
    headDim: gguf.numberOr(key('attention.key_length'), width / headCount),
    feedForward: gguf.requireNumber(key('feed_forward_length')),
    vocabSize: gguf.tensors.get('token_embd.weight')?.shape[1] ?? 0,
    contextTokensMax: gguf.requireNumber(key('context_length')),
    normEps: gguf.requireNumber(key('attention.layer_norm_rms_epsilon')),
    ropeBase: gguf.numberOr(key('rope.freq_base'), 10_000),
  };
}
