import { TercetError } from '@tercet/contracts';
import type { Gguf } from '@tercet/gguf';
import type { Tensor, TensorOps } from '../tensor-ops.js';

/** Sizes of an embedder, read from the model file. */
export interface EmbedderShape {
  readonly width: number;
  readonly layerCount: number;
  readonly headCount: number;
  readonly feedForward: number;
  readonly vocabSize: number;
  readonly contextTokensMax: number;
  readonly normEps: number;
}

/** Text to one vector. */
export interface EmbedderFamily {
  readonly shape: EmbedderShape;
  /** Token ids, positions and token types, each [n] of int32 → rows [width, n]; their mean is the text's vector. */
  encode(ops: TensorOps, text: { tokenIds: Tensor; positions: Tensor; types: Tensor }): Tensor;
}

/**
 * BERT, as MiniLM and its kin embed texts: learned positions, blocks with the norm after each addition, attention in
 * both directions, exact GELU.
 *
 *     x ─ q,k,v ─ attention ─ o ─(+ x)─ norm ─ up ─ gelu ─ down ─(+)─ norm
 *
 * @see Devlin et al. 2018, arXiv:1810.04805; Reimers & Gurevych 2019, arXiv:1908.10084, mean pooling
 */
export function bert(gguf: Gguf): EmbedderFamily {
  const shape = embedderShape(gguf);
  const { width, headCount, feedForward, vocabSize, contextTokensMax, normEps, layerCount } = shape;
  const headDim = width / headCount;
  const typeCount = gguf.tensors.get('token_types.weight')?.shape[1] ?? 1;
  const linear = (ops: TensorOps, x: Tensor, name: string, from: number, to: number) =>
    ops.add(ops.mulMat(ops.weight(`${name}.weight`, [from, to]), x), ops.weight(`${name}.bias`, [to]));
  const norm = (ops: TensorOps, x: Tensor, name: string) => {
    const scaled = ops.mul(ops.layerNorm(x, normEps), ops.weight(`${name}.weight`, [width]));
    return ops.add(scaled, ops.weight(`${name}.bias`, [width]));
  };

  function attention(ops: TensorOps, block: string, x: Tensor): Tensor {
    const tokens = x.shape[1];
    const heads = (name: string, axes: readonly [number, number, number, number]) => {
      const rows = linear(ops, x, `${block}.${name}`, width, width);
      return ops.contiguous(ops.permute(ops.reshape(rows, headDim, headCount, tokens), axes));
    };
    const scores = ops.mulMat(heads('attn_k', [0, 2, 1, 3]), heads('attn_q', [0, 2, 1, 3]));
    const shares = ops.softmax(scores, undefined, headDim ** -0.5);
    const mixed = ops.mulMat(heads('attn_v', [1, 2, 0, 3]), shares);
    const rows = ops.reshape(ops.contiguous(ops.permute(mixed, [0, 2, 1, 3])), width, tokens);
    return linear(ops, rows, `${block}.attn_output`, width, width);
  }

  function block(ops: TensorOps, index: number, x: Tensor): Tensor {
    const name = `blk.${index}`;
    const attended = norm(ops, ops.add(attention(ops, name, x), x), `${name}.attn_output_norm`);
    const up = ops.geluExact(linear(ops, attended, `${name}.ffn_up`, width, feedForward));
    const down = linear(ops, up, `${name}.ffn_down`, feedForward, width);
    return norm(ops, ops.add(down, attended), `${name}.layer_output_norm`);
  }

  return {
    shape,
    encode(ops, { tokenIds, positions, types }) {
      const words = ops.getRows(ops.weight('token_embd.weight', [width, vocabSize]), tokenIds);
      const places = ops.getRows(ops.weight('position_embd.weight', [width, contextTokensMax]), positions);
      const kinds = ops.getRows(ops.weight('token_types.weight', [width, typeCount]), types);
      let x = norm(ops, ops.add(ops.add(words, places), kinds), 'token_embd_norm');
      for (let index = 0; index < layerCount; index++) x = block(ops, index, x);
      return x;
    },
  };
}

function embedderShape(gguf: Gguf): EmbedderShape {
  const count = (key: string, max: number) => gguf.requireCount(`bert.${key}`, max);
  const shape = {
    width: count('embedding_length', 65_536),
    layerCount: count('block_count', 1_024),
    headCount: count('attention.head_count', 1_024),
    feedForward: count('feed_forward_length', 2 ** 20),
    vocabSize: gguf.tensors.get('token_embd.weight')?.shape[1] ?? 0,
    contextTokensMax: count('context_length', 2 ** 20),
    normEps: gguf.positiveOr('bert.attention.layer_norm_epsilon', 1e-12),
  };
  const { width, headCount, vocabSize } = shape;
  if (width % headCount !== 0 || vocabSize < 1) {
    throw new TercetError('model_file_invalid', {
      reason: 'heads or vocabulary cannot be',
      width,
      headCount,
      vocabSize,
    });
  }
  return shape;
}
