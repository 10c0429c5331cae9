/** The files of a BERT model of one layer as `transformers` saves them; weights count up through all tensors. */
export function savedBert({ without }: { readonly without?: string } = {}) {
  const config = {
    model_type: 'bert',
    hidden_act: 'gelu',
    hidden_size: 2,
    intermediate_size: 4,
    layer_norm_eps: 1e-12,
    max_position_embeddings: 8,
    num_attention_heads: 1,
    num_hidden_layers: 1,
  };
  const tokens = ['[PAD]', '[unused0]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '[', 'word', '##s'];
  const tensors = shapesOf(tokens.length).filter(([name]) => name !== without);
  return {
    name: 'small',
    config: JSON.stringify(config),
    vocab: `${tokens.join('\n')}\n`,
    weights: safetensors(tensors),
  };
}

type Shapes = [name: string, shape: number[]][];

function shapesOf(vocabSize: number): Shapes {
  const layer: Shapes = [
    ['attention.self.query', [2, 2]],
    ['attention.self.key', [2, 2]],
    ['attention.self.value', [2, 2]],
    ['attention.output.dense', [2, 2]],
    ['attention.output.LayerNorm', [2]],
    ['intermediate.dense', [4, 2]],
    ['output.dense', [2, 4]],
    ['output.LayerNorm', [2]],
  ];
  const parts: Shapes = [
    ['embeddings.LayerNorm', [2]],
    ...layer.map(([name, shape]): Shapes[number] => [`encoder.layer.0.${name}`, shape]),
  ];
  return [
    ['embeddings.word_embeddings.weight', [vocabSize, 2]],
    ['embeddings.position_embeddings.weight', [8, 2]],
    ['embeddings.token_type_embeddings.weight', [2, 2]],
    ...parts.flatMap(
      ([name, shape]): Shapes => [
        [`${name}.weight`, shape],
        [`${name}.bias`, [shape[0] as number]],
      ],
    ),
  ];
}

/** A safetensors file, with a tensor of integers that nobody wants. */
function safetensors(tensors: Shapes): Uint8Array {
  const header: Record<string, object> = { __metadata__: { format: 'pt' } };
  let offset = 8;
  header['embeddings.position_ids'] = { dtype: 'I64', shape: [1], data_offsets: [0, 8] };
  for (const [name, shape] of tensors) {
    const end = offset + 4 * shape.reduce((product, n) => product * n, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const values = Float32Array.from({ length: (offset - 8) / 4 }, (_, i) => i);
  return Buffer.concat([length, json, Buffer.alloc(8), Buffer.from(values.buffer)]);
}
