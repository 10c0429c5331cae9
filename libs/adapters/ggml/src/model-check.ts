import { assert } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import {
  type Attention,
  type DecoderShape,
  decoderOf,
  smolvlmVision,
  type Tensor,
  type VisionShape,
} from '@tercet/engine';
import { Graph } from './graph.js';
import { InputMemory } from './input-memory.js';
import type { Weights } from './weights.js';

/**
 * Builds every layer of a model once, without computing, so that a file whose tensors are absent or of another shape or
 * type is refused before it serves, and no later graph can fail on it.
 * @throws model_file_invalid
 */
export function checkModel(weights: Weights, projector: Weights | undefined): void {
  const decoder = decoderOf(weights.gguf);
  checkDecoder(weights);
  if (projector === undefined) return;
  const { shape } = smolvlmVision(projector.gguf);
  checkVision(projector, shape);
  if (shape.projectionDim !== decoder.shape.width) {
    const { width } = decoder.shape;
    throw new TercetError('model_file_invalid', {
      reason: 'media tokens do not fit the decoder',
      projectionDim: shape.projectionDim,
      width,
    });
  }
}

function checkDecoder(weights: Weights): void {
  const family = decoderOf(weights.gguf);
  const { layerCount, width } = family.shape;
  // Two rows: a product with one row would hide a transposed matrix.
  const rows = 2;
  const graph = new Graph(weights, layerCount * 64 + 64);
  const inputs = new InputMemory(rows * width * 4 + 65_536);
  try {
    const attention = plainAttention(graph, family.shape, { inputs, rows });
    let x: Tensor = family.embed(graph, attention.positions);
    for (let layer = 0; layer < layerCount; layer++) x = family.layer(graph, layer, x, attention);
    const logits = family.head(graph, x);
    assert(logits.shape[1] === rows, 'a row of logits for each token', { shape: logits.shape });
  } finally {
    graph.free();
    inputs.free();
  }
}

function plainAttention(graph: Graph, shape: DecoderShape, of: { inputs: InputMemory; rows: number }): Attention {
  const { headDim, headCount } = shape;
  const positions = of.inputs.int32(graph, of.rows).node;
  const wanted = (_layer: number, x: Tensor) => x;
  return { positions, wanted, attend: (_layer, { q }) => graph.reshape(q, headDim * headCount, of.rows) };
}

function checkVision(projector: Weights, shape: VisionShape): void {
  const { tileSize, layerCount } = shape;
  const graph = new Graph(projector, layerCount * 64 + 64);
  const inputs = new InputMemory(3 * tileSize * tileSize * 4 + 65_536);
  try {
    smolvlmVision(projector.gguf).encode(graph, inputs.float32(graph, [tileSize, tileSize, 3, 1]).node);
  } finally {
    graph.free();
    inputs.free();
  }
}
