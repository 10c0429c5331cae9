import type { Gguf } from '@tercet/gguf';
import type { Tensor, TensorOps } from '../tensor-ops.js';
import { type Attention, type DecoderFamily, decoderShape } from './decoder-family.js';

/**
 * Gemma 3, text: blocks with norms before and after attention and feed-forward, normed queries and keys, and five
 * layers with a sliding window to each one that sees everything. Windowed layers rotate with base 10,000, the others
 * with the base of the file. Embeddings are scaled by sqrt(width). Norm weights already contain the "+ 1" of the
 * paper's code.
 *
 *     x ─ norm ─ q,k,v ─ norm(q),norm(k) ─ rope ─ attention ─ o ─ norm ─(+ x)
 *       ─ norm ─ gelu(gate) · up ─ down ─ norm ─(+)─
 *
 * @see Gemma Team 2025, arXiv:2503.19786, section 2
 */
export function gemma3(gguf: Gguf): DecoderFamily {
  const shape = decoderShape(gguf);
  const { width, headDim, headCount, kvHeadCount, feedForward, vocabSize, normEps } = shape;
  const window = gguf.requireCount('gemma3.attention.sliding_window', 2 ** 24);
  const windowedBase = gguf.positiveOr('gemma3.rope.freq_base_swa', 10_000);
  const scaling = 1 / gguf.positiveOr('gemma3.rope.scaling.factor', 1);
  const isWindowed = (layer: number) => layer % 6 !== 5;
  const norm = (ops: TensorOps, x: Tensor, name: string, size = width) =>
    ops.mul(ops.rmsNorm(x, normEps), ops.weight(`${name}.weight`, [size]));
  const linear = (ops: TensorOps, x: Tensor, name: string, from: number, to: number) =>
    ops.mulMat(ops.weight(`${name}.weight`, [from, to]), x);

  function attentionBlock(ops: TensorOps, index: number, x: Tensor, attention: Attention): Tensor {
    const block = `blk.${index}`;
    const rows = x.shape[1];
    const windowed = isWindowed(index);
    const base = windowed ? windowedBase : shape.ropeBase;
    const rope = { pairing: 'halves', dims: headDim, base, scale: windowed ? 1 : scaling } as const;
    const normed = norm(ops, x, `${block}.attn_norm`);
    const heads = (name: string, count: number) =>
      ops.reshape(linear(ops, normed, `${block}.${name}`, width, headDim * count), headDim, count, rows);
    const rotated = (name: string, count: number) =>
      ops.rope(norm(ops, heads(name, count), `${block}.${name}_norm`, headDim), attention.positions, rope);
    const q = ops.scale(rotated('attn_q', headCount), headDim ** -0.5);
    const k = rotated('attn_k', kvHeadCount);
    const v = heads('attn_v', kvHeadCount);
    const mixed = attention.attend(index, { q, k, v }, windowed ? { scale: 1, window } : { scale: 1 });
    return norm(
      ops,
      linear(ops, mixed, `${block}.attn_output`, headDim * headCount, width),
      `${block}.post_attention_norm`,
    );
  }

  function feedForwardBlock(ops: TensorOps, index: number, x: Tensor): Tensor {
    const block = `blk.${index}`;
    const normed = norm(ops, x, `${block}.ffn_norm`);
    const gate = linear(ops, normed, `${block}.ffn_gate`, width, feedForward);
    const up = linear(ops, normed, `${block}.ffn_up`, width, feedForward);
    const down = linear(ops, ops.geglu(gate, up), `${block}.ffn_down`, feedForward, width);
    return norm(ops, down, `${block}.post_ffw_norm`);
  }

  return {
    shape,
    embed: (ops, tokenIds) =>
      ops.scale(ops.getRows(ops.weight('token_embd.weight', [width, vocabSize]), tokenIds), Math.sqrt(width)),
    layer(ops, index, x, attention) {
      const attended = ops.add(attentionBlock(ops, index, x, attention), attention.wanted(index, x));
      return ops.add(feedForwardBlock(ops, index, attended), attended);
    },
    head(ops, x) {
      const table = [width, vocabSize];
      const output = ops.tryWeight('output.weight', table) ?? ops.weight('token_embd.weight', table);
      return ops.mulMat(output, norm(ops, x, 'output_norm'));
    },
  };
}
