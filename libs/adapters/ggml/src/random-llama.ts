import { Prng } from '@tercet/base';
import { type GgufContent, type GgufWeights, writeGguf } from '@tercet/gguf';

export interface RandomLlama {
  readonly headCount: number;
  readonly kvHeadCount: number;
  readonly headDim?: number;
  readonly layerCount?: number;
  readonly vocabSize?: number;
  readonly contextTokensMax?: number;
}

/** A Llama with random weights, for tests that need a shape and no knowledge. */
export function randomLlama(shape: RandomLlama): GgufContent {
  const { headCount, kvHeadCount, headDim = 16, layerCount = 2, vocabSize = 96, contextTokensMax = 2048 } = shape;
  const width = headCount * headDim;
  const feedForward = 64;
  const prng = new Prng(7);
  const tensors: GgufWeights[] = [];
  const matrix = (name: string, from: number, to: number) => {
    const values = Float32Array.from({ length: from * to }, () => ((prng.nextFloat() - 0.5) * 4) / Math.sqrt(from));
    tensors.push({ name: `${name}.weight`, shape: [from, to], values });
  };
  const norm = (name: string) =>
    tensors.push({ name: `${name}.weight`, shape: [width], values: new Float32Array(width).fill(1) });
  matrix('token_embd', width, vocabSize);
  norm('output_norm');
  for (let layer = 0; layer < layerCount; layer++) {
    const block = `blk.${layer}`;
    norm(`${block}.attn_norm`);
    norm(`${block}.ffn_norm`);
    matrix(`${block}.attn_q`, width, headCount * headDim);
    for (const part of ['attn_k', 'attn_v']) matrix(`${block}.${part}`, width, kvHeadCount * headDim);
    matrix(`${block}.attn_output`, headCount * headDim, width);
    for (const part of ['ffn_gate', 'ffn_up']) matrix(`${block}.${part}`, width, feedForward);
    matrix(`${block}.ffn_down`, feedForward, width);
  }
  const metadata = {
    'general.architecture': 'llama',
    'llama.context_length': contextTokensMax,
    'llama.embedding_length': width,
    'llama.block_count': layerCount,
    'llama.feed_forward_length': feedForward,
    'llama.attention.head_count': headCount,
    'llama.attention.head_count_kv': kvHeadCount,
    'llama.attention.layer_norm_rms_epsilon': 1e-5,
    'llama.rope.freq_base': 10_000,
  };
  return { metadata, tensors };
}

/** The file of {@link randomLlama}. */
export function randomLlamaFile(shape: RandomLlama): Uint8Array {
  return writeGguf(randomLlama(shape));
}
