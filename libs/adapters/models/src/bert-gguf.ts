import { type GgufContent, type GgufWeights, writeGguf } from '@tercet/gguf';
import { z } from 'zod';
import { SourceFailure } from './failures.js';

/** Files of a BERT model as `transformers` saves it. */
export interface SavedBert {
  readonly name: string;
  /** `config.json` */
  readonly config: string;
  /** `vocab.txt`: one WordPiece token a line. */
  readonly vocab: string;
  /** `model.safetensors` */
  readonly weights: Uint8Array;
}

const Config = z.object({
  model_type: z.literal('bert'),
  hidden_act: z.literal('gelu'),
  hidden_size: z.int(),
  intermediate_size: z.int(),
  layer_norm_eps: z.number(),
  max_position_embeddings: z.int(),
  num_attention_heads: z.int(),
  num_hidden_layers: z.int(),
});
const Header = z.record(
  z.string(),
  z.object({ dtype: z.string(), shape: z.array(z.int()), data_offsets: z.tuple([z.int(), z.int()]) }),
);

const tokenType = { normal: 1, unknown: 2, control: 3, unused: 5 };
const wordStart = '\u2581';
const meanPooling = 1;

/**
 * The GGUF file of an embedder, float32 as it was saved, named as llama.cpp's converter names it.
 * @throws SourceFailure when the files are not those of a BERT model
 * @see https://github.com/huggingface/safetensors, "Format"
 */
export function bertGguf(saved: SavedBert): Uint8Array {
  const config = Config.safeParse(parse('config.json', saved.config));
  if (!config.success) throw new SourceFailure(`config.json is not that of BERT: ${config.error.message}`, 'no');
  const tensors = readSafetensors(saved.weights);
  const { num_hidden_layers: layerCount } = config.data;
  const named = [...namesOf(layerCount)].map(([ours, theirs]): GgufWeights => {
    const found = tensors.get(theirs);
    if (found === undefined) throw new SourceFailure(`model.safetensors has no ${theirs}`, 'no');
    return { name: ours, ...found };
  });
  return writeGguf({ metadata: metadataOf(saved, config.data), tensors: named });
}

function metadataOf({ name, vocab }: SavedBert, config: z.infer<typeof Config>): GgufContent['metadata'] {
  const tokens = vocab.replace(/\r?\n$/, '').split(/\r?\n/);
  const idOf = (token: string) => {
    const id = tokens.indexOf(token);
    if (id < 0) throw new SourceFailure(`vocab.txt has no ${token}`, 'no');
    return id;
  };
  return {
    'general.architecture': 'bert',
    'general.name': name,
    'bert.context_length': config.max_position_embeddings,
    'bert.embedding_length': config.hidden_size,
    'bert.block_count': config.num_hidden_layers,
    'bert.feed_forward_length': config.intermediate_size,
    'bert.attention.head_count': config.num_attention_heads,
    'bert.attention.layer_norm_epsilon': config.layer_norm_eps,
    'bert.attention.causal': false,
    'bert.pooling_type': meanPooling,
    'tokenizer.ggml.model': 'bert',
    'tokenizer.ggml.tokens': tokens.map(pieceOf),
    'tokenizer.ggml.token_type': tokens.map(typeOf),
    'tokenizer.ggml.bos_token_id': idOf('[CLS]'),
    'tokenizer.ggml.seperator_token_id': idOf('[SEP]'),
    'tokenizer.ggml.unknown_token_id': idOf('[UNK]'),
    'tokenizer.ggml.padding_token_id': idOf('[PAD]'),
  };
}

/** GGUF marks what begins a word, WordPiece what continues one. */
function pieceOf(token: string): string {
  if (token.startsWith('##')) return token.slice(2);
  return isSpecial(token) ? token : wordStart + token;
}

function typeOf(token: string): number {
  if (token === '[UNK]') return tokenType.unknown;
  if (token.startsWith('[unused')) return tokenType.unused;
  return isSpecial(token) ? tokenType.control : tokenType.normal;
}

function isSpecial(token: string): boolean {
  return /^\[[A-Za-z]+\d*\]$/.test(token);
}

function* namesOf(layerCount: number): Generator<[ours: string, theirs: string]> {
  yield ['token_embd.weight', 'embeddings.word_embeddings.weight'];
  yield ['position_embd.weight', 'embeddings.position_embeddings.weight'];
  yield ['token_types.weight', 'embeddings.token_type_embeddings.weight'];
  const layer = {
    attn_q: 'attention.self.query',
    attn_k: 'attention.self.key',
    attn_v: 'attention.self.value',
    attn_output: 'attention.output.dense',
    attn_output_norm: 'attention.output.LayerNorm',
    ffn_up: 'intermediate.dense',
    ffn_down: 'output.dense',
    layer_output_norm: 'output.LayerNorm',
  };
  for (const part of ['weight', 'bias']) {
    yield [`token_embd_norm.${part}`, `embeddings.LayerNorm.${part}`];
    for (let i = 0; i < layerCount; i++) {
      for (const [ours, theirs] of Object.entries(layer)) {
        yield [`blk.${i}.${ours}.${part}`, `encoder.layer.${i}.${theirs}.${part}`];
      }
    }
  }
}

/** Float32 tensors by name, fastest dimension first. */
function readSafetensors(bytes: Uint8Array): Map<string, { shape: number[]; values: Float32Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = bytes.length < 8 ? bytes.length : Number(view.getBigUint64(0, true));
  if (8 + headerBytes > bytes.length) throw new SourceFailure('model.safetensors ends early', 'no');
  const text = new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes));
  const { __metadata__: _, ...json } = Object(parse('model.safetensors', text));
  const header = Header.safeParse(json);
  if (!header.success) throw new SourceFailure(`model.safetensors: ${header.error.message}`, 'no');
  const found = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header.data)) {
    if (dtype !== 'F32') continue;
    const [from, to] = offsets.map((offset) => 8 + headerBytes + offset) as [number, number];
    const elements = shape.reduce((product, n) => product * n, 1);
    if (to > bytes.length || to - from !== elements * 4) throw new SourceFailure(`bad place of ${name}`, 'no');
    // A copy of its own: in the file it stands at an address that no Float32Array may have.
    const values = new Float32Array(new Uint8Array(bytes.subarray(from, to)).buffer);
    found.set(name, { shape: shape.toReversed(), values });
  }
  return found;
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SourceFailure(`${file} is no JSON`, 'no', { cause });
  }
}
