import { createHash } from 'node:crypto';
import { assert } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import { type Backend, type BackendDescriptor, bert, type EmbedderFamily, type EmbedText } from '@tercet/engine';
import type { Gguf } from '@tercet/gguf';
import { Compute, type GraphAllocator } from './compute.js';
import { Graph } from './graph.js';
import { InputMemory } from './input-memory.js';
import { checkLayout } from './layout-check.js';
import { Weights } from './weights.js';

export interface GgmlEmbedderOptions {
  readonly modelName: string;
  readonly modelPath: string;
  /** Longest text, in tokens; at most what the model was made for. */
  readonly contextTokensMax: number;
  /** As for {@link GgmlBackend}. */
  readonly isThreadOurs?: boolean;
}

/** A backend that turns texts into vectors and does nothing else: it has no KV. Not for concurrent calls. */
export class GgmlEmbedder implements Backend {
  readonly descriptor: BackendDescriptor;
  /** Metadata and tensors of the model file. */
  readonly gguf: Gguf;
  readonly #family: EmbedderFamily;
  readonly #weights: Weights;
  readonly #compute: Compute;
  readonly #inputs: InputMemory;
  readonly #allocator: GraphAllocator;

  private constructor(options: GgmlEmbedderOptions, weights: Weights) {
    const family = bert(weights.gguf);
    const { width, vocabSize, contextTokensMax } = family.shape;
    const tokensMax = Math.min(options.contextTokensMax, contextTokensMax);
    checkEmbedder(family, weights);
    this.gguf = weights.gguf;
    this.#family = family;
    this.#weights = weights;
    this.#compute = Compute.open(options.isThreadOurs);
    this.#inputs = new InputMemory(tokensMax * (width * 4 + 12) + 4096);
    this.#allocator = this.#compute.newAllocator();
    const modelDigest = createHash('sha256').update(weights.view).digest('hex');
    this.descriptor = {
      modelName: options.modelName,
      modelDigest,
      kvLayoutDigest: modelDigest,
      layerCount: 0,
      kvRowBytes: 0,
      contextTokensMax: tokensMax,
      vocabSize,
      embeddingDim: width,
      slotCount: 1,
    };
  }

  /** @throws model_file_missing, model_file_invalid, engine_incompatible */
  static open(options: GgmlEmbedderOptions): GgmlEmbedder {
    checkLayout();
    return GgmlEmbedder.over(Weights.open(options.modelPath), options);
  }

  /** Over a model file that is open, after the check of the layout: closed with the backend, or when this fails. */
  static over(weights: Weights, options: GgmlEmbedderOptions): GgmlEmbedder {
    try {
      return new GgmlEmbedder(options, weights);
    } catch (error) {
      weights.close();
      throw error;
    }
  }

  /** The mean of the text's rows, of length 1. */
  async embed({ tokenIds, threads }: EmbedText, signal: AbortSignal): Promise<Float32Array> {
    signal.throwIfAborted();
    const { contextTokensMax, embeddingDim = 0 } = this.descriptor;
    const tokens = tokenIds.length;
    assert(tokens >= 1 && tokens <= contextTokensMax, 'the text fits the embedder', { tokens, contextTokensMax });
    const graph = new Graph(this.#weights, nodesFor(this.#family));
    try {
      this.#inputs.reset();
      const rows = encodeText(graph, { family: this.#family, inputs: this.#inputs, tokenIds });
      const out = this.#inputs.float32(graph, [embeddingDim, tokens]);
      graph.expand(graph.copy(rows, out.node));
      this.#allocator.allocate(graph);
      await this.#compute.run(graph, threads);
      return unitMean(out.values, embeddingDim);
    } finally {
      graph.free();
    }
  }

  kernelOf(): never {
    throw this.#unsupported('text generation');
  }

  async run(): Promise<never> {
    throw this.#unsupported('text generation');
  }

  kvView(): never {
    throw this.#unsupported('text generation');
  }

  async copyKv(): Promise<never> {
    throw this.#unsupported('text generation');
  }

  async encodeTiles(): Promise<never> {
    throw this.#unsupported('images');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#allocator.free();
    this.#inputs.free();
    this.#compute.close();
    this.#weights.close();
  }

  #unsupported(feature: string): TercetError {
    return new TercetError('feature_unsupported', { feature, model: this.descriptor.modelName });
  }
}

/** Builds the graph once without computing. @throws model_file_invalid */
function checkEmbedder(family: EmbedderFamily, weights: Weights): void {
  const graph = new Graph(weights, nodesFor(family));
  const inputs = new InputMemory(4096);
  try {
    encodeText(graph, { family, inputs, tokenIds: new Uint32Array(1) });
  } finally {
    graph.free();
    inputs.free();
  }
}

function encodeText(
  graph: Graph,
  { family, inputs, tokenIds }: { family: EmbedderFamily; inputs: InputMemory; tokenIds: Uint32Array },
) {
  const ids = inputs.int32(graph, tokenIds.length);
  const positions = inputs.int32(graph, tokenIds.length);
  const types = inputs.int32(graph, tokenIds.length);
  ids.values.set(tokenIds);
  types.values.fill(0);
  for (let i = 0; i < tokenIds.length; i++) positions.values[i] = i;
  return family.encode(graph, { tokenIds: ids.node, positions: positions.node, types: types.node });
}

function nodesFor({ shape }: EmbedderFamily): number {
  return shape.layerCount * 64 + 64;
}

function unitMean(rows: Float32Array, dim: number): Float32Array {
  const sum = new Float64Array(dim);
  for (let i = 0; i < rows.length; i++) sum[i % dim] = (sum[i % dim] as number) + (rows[i] as number);
  const length = Math.hypot(...sum) || 1;
  return Float32Array.from(sum, (value) => value / length);
}
