import type { Gguf } from '@tercet/gguf';
import type { Tensor, TensorOps } from '../tensor-ops.js';
import { type Attention, type DecoderFamily, decoderShape } from './decoder-family.js';

/**
 * Llama: pre-norm blocks of grouped-query attention with rotary positions and a SwiGLU feed-forward.
 * SmolLM2 and the decoder of SmolVLM are of this family.
 *
 *     x ─ norm ─ q,k,v ─ rope ─ attention ─ o ─(+ x)─ norm ─ silu(gate) · up ─ down ─(+)─
 *
 * @see Touvron et al. 2023, arXiv:2302.13971; weights are named and permuted as llama.cpp's converter writes them
 */
export function llama(gguf: Gguf): DecoderFamily {
  const shape = decoderShape(gguf);
  const { width, headDim, headCount, kvHeadCount, feedForward, vocabSize, normEps } = shape;
  const rope = { pairing: 'adjacent', dims: headDim, base: shape.ropeBase, scale: 1 } as const;
  const embedding = (ops: TensorOps) => ops.weight('token_embd.weight', [width, vocabSize]);
  const norm = (ops: TensorOps, x: Tensor, name: string) =>
    ops.mul(ops.rmsNorm(x, normEps), ops.weight(`${name}.weight`, [width]));
  const linear = (ops: TensorOps, x: Tensor, name: string, from: number, to: number) =>
    ops.mulMat(ops.weight(`${name}.weight`, [from, to]), x);

  function attentionBlock(ops: TensorOps, index: number, x: Tensor, attention: Attention): Tensor {
    const block = `blk.${index}`;
    const rows = x.shape[1];
    const normed = norm(ops, x, `${block}.attn_norm`);
    const heads = (name: string, count: number) =>
      ops.reshape(linear(ops, normed, `${block}.${name}`, width, headDim * count), headDim, count, rows);
    const q = ops.rope(heads('attn_q', headCount), attention.positions, rope);
    const k = ops.rope(heads('attn_k', kvHeadCount), attention.positions, rope);
    const v = heads('attn_v', kvHeadCount);
    const mixed = attention.attend(index, { q, k, v }, { scale: headDim ** -0.5 });
    return linear(ops, mixed, `${block}.attn_output`, headDim * headCount, width);
  }

  function feedForwardBlock(ops: TensorOps, index: number, x: Tensor): Tensor {
    const block = `blk.${index}`;
    const normed = norm(ops, x, `${block}.ffn_norm`);
    const gate = linear(ops, normed, `${block}.ffn_gate`, width, feedForward);
    const up = linear(ops, normed, `${block}.ffn_up`, width, feedForward);
    return linear(ops, ops.swiglu(gate, up), `${block}.ffn_down`, feedForward, width);
  }

  return {
    shape,
    embed: (ops, tokenIds) => ops.getRows(embedding(ops), tokenIds),
    layer(ops, index, x, attention) {
      const attended = ops.add(attentionBlock(ops, index, x, attention), attention.wanted(index, x));
      return ops.add(feedForwardBlock(ops, index, attended), attended);
    },
    head(ops, x) {
      const output = ops.tryWeight('output.weight', [width, vocabSize]) ?? embedding(ops);
      return ops.mulMat(output, norm(ops, x, 'output_norm'));
    },
  };
}
