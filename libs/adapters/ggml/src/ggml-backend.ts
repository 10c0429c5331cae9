import { createHash } from 'node:crypto';
import { assert } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import {
  type Backend,
  type BackendDescriptor,
  type BackendStep,
  type DecodeRow,
  decoderOf,
  type EmbedText,
  type KvRange,
  type PrefillChunk,
  type StepLogits,
  smolvlmVision,
  type TileBatch,
} from '@tercet/engine';
import type { Gguf } from '@tercet/gguf';
import { Compute } from './compute.js';
import { DecodeRunner } from './decode-graph.js';
import { type AllocateArena, KvArena } from './kv-arena.js';
import { checkLayout } from './layout-check.js';
import { checkModel } from './model-check.js';
import { PrefillRunner } from './prefill-graph.js';
import { rowsNeedCompany } from './row-probe.js';
import { TokenAttention } from './token-attention.js';
import { VisionRunner } from './vision-graph.js';
import { Weights } from './weights.js';

export interface GgmlBackendOptions {
  readonly modelName: string;
  readonly modelPath: string;
  /** Vision tower and connector of a multimodal model. */
  readonly mmprojPath?: string;
  readonly slotCount: number;
  /** Tokens of a slot; at most what the model was made for. */
  readonly contextTokensMax: number;
  /** Longest chunk that a step may carry. */
  readonly chunkTokensMax: number;
  /** Parts into which the layers of a prefill are split, so that KV leaves while later layers compute. */
  readonly layerGroups?: number;
  /** Prompts go through copies of matrices in the processor's own order ({@link RepackedWeights}); default true. */
  readonly repack?: boolean;
  /**
   * The calling thread is the engine's own: it computes, instead of waiting for another thread, which costs some
   * percent of a short step. Its event loop turns once after each graph. Default: graphs run beside the event loop.
   */
  readonly isThreadOurs?: boolean;
  /** Where KV lives; default is private memory. */
  readonly allocateArena?: AllocateArena;
}

/** Attention of so many rows, and more, goes by tiles in ggml (`GGML_FA_TILE_Q`); fewer are computed row by row. */
const tiledRows = 64;
/** Rows of generated text that a replay computes in one pass. */
const replayRowsMax = 8;

/** One planned step on the CPU by ggml. Not for concurrent calls. */
export class GgmlBackend implements Backend {
  readonly descriptor: BackendDescriptor;
  /** Metadata and tensors of the model file. */
  readonly gguf: Gguf;
  readonly #compute: Compute;
  readonly #weights: readonly Weights[];
  readonly #arena: KvArena;
  readonly #prefill: PrefillRunner;
  readonly #decode: DecodeRunner;
  readonly #vision: VisionRunner | undefined;

  private constructor(options: GgmlBackendOptions, weights: Weights, projector: Weights | undefined) {
    const family = decoderOf(weights.gguf);
    const { slotCount, allocateArena } = options;
    const slotTokens = Math.min(options.contextTokensMax, family.shape.contextTokensMax);
    this.gguf = weights.gguf;
    this.#weights = projector === undefined ? [weights] : [weights, projector];
    this.#compute = Compute.open(options.isThreadOurs);
    const arena = { shape: family.shape, slotCount, slotTokens };
    this.#arena = new KvArena(allocateArena === undefined ? arena : { ...arena, allocate: allocateArena });
    const token = new TokenAttention(family.shape);
    const parts = { family, weights, arena: this.#arena, compute: this.#compute, token };
    const { chunkTokensMax, layerGroups = 4, repack = true } = options;
    this.#prefill = new PrefillRunner(parts, { chunkTokensMax, groupCount: layerGroups, repack });
    this.#decode = new DecodeRunner(parts, rowsNeedCompany(weights, this.#compute) ? 2 : 1);
    const vision = projector === undefined ? undefined : smolvlmVision(projector.gguf);
    this.#vision =
      vision === undefined || projector === undefined ? undefined : new VisionRunner(vision, projector, this.#compute);
    const modelDigest = digest(this.#weights.map((w) => w.view));
    const { layerCount, vocabSize } = family.shape;
    const kvRowBytes = this.#arena.rowBytes;
    const media = vision && {
      tileSize: vision.shape.tileSize,
      tokensPerTile: vision.shape.tokensPerTile,
      patchesPerTile: (vision.shape.tileSize / vision.shape.patchSize) ** 2,
      dim: vision.shape.projectionDim,
      mean: vision.shape.mean,
      std: vision.shape.std,
    };
    this.descriptor = {
      modelName: options.modelName,
      modelDigest,
      kvLayoutDigest: digest([new TextEncoder().encode(`${modelDigest} f16 ${layerCount} ${kvRowBytes}`)]),
      layerCount,
      kvRowBytes,
      contextTokensMax: slotTokens,
      vocabSize,
      slotCount,
      ...(media === undefined ? {} : { media }),
    };
  }

  /** @throws model_file_missing, model_file_invalid, engine_incompatible */
  static open(options: GgmlBackendOptions): GgmlBackend {
    checkLayout();
    return GgmlBackend.over(Weights.open(options.modelPath), options);
  }

  /** Over a model file that is open, after the check of the layout: closed with the backend, or when this fails. */
  static over(weights: Weights, options: GgmlBackendOptions): GgmlBackend {
    const opened = [weights];
    try {
      const projector = options.mmprojPath === undefined ? undefined : Weights.open(options.mmprojPath);
      if (projector !== undefined) opened.push(projector);
      checkModel(weights, projector);
      return new GgmlBackend(options, weights, projector);
    } catch (error) {
      for (const each of opened) each.close();
      throw error;
    }
  }

  /** One row is attended as decode rows are, and its products may be another kernel's. */
  kernelOf(rows: number): number {
    if (rows === 1) return 0;
    return rows < tiledRows ? 1 : 2;
  }

  async run(step: BackendStep, signal: AbortSignal): Promise<StepLogits> {
    const prefills: (Float32Array | undefined)[] = [];
    const last = step.prefills.length - 1;
    for (const [index, chunk] of step.prefills.entries()) {
      signal.throwIfAborted();
      prefills.push(
        await this.#chunk(chunk, step.threads, index === last ? step.onLayersReady?.bind(step) : undefined),
      );
    }
    signal.throwIfAborted();
    const decodes = step.decodes.length === 0 ? [] : await this.#decode.run(step.decodes, step.threads);
    return { prefills, decodes };
  }

  kvView(range: KvRange): Uint8Array {
    return this.#arena.view(range);
  }

  async copyKv(fromSlot: number, toSlot: number, tokens: number): Promise<void> {
    this.#arena.copy(fromSlot, toSlot, tokens);
  }

  async encodeTiles({ pixels, tileCount, threads }: TileBatch, signal: AbortSignal): Promise<Float32Array> {
    if (this.#vision === undefined) throw new TercetError('feature_unsupported', { feature: 'images' });
    signal.throwIfAborted();
    return this.#vision.run(pixels, tileCount, threads);
  }

  async embed(_text: EmbedText, _signal: AbortSignal): Promise<Float32Array> {
    throw new TercetError('feature_unsupported', { feature: 'embeddings', model: this.descriptor.modelName });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#prefill.free();
    this.#decode.free();
    this.#vision?.free();
    this.#arena.free();
    this.#compute.close();
    for (const weights of this.#weights) weights.close();
  }

  async #chunk(
    chunk: PrefillChunk,
    threads: number,
    onLayersReady: ((layersDone: number) => void) | undefined,
  ): Promise<Float32Array | undefined> {
    const end = chunk.start + chunk.tokenIds.length;
    assert(end <= this.#arena.slotTokens, 'the chunk fits its slot', { end, slotTokens: this.#arena.slotTokens });
    if (chunk.rows === 'prompt') return this.#prefill.run(chunk, threads, onLayersReady);
    const logits = await this.#replay(chunk, threads);
    onLayersReady?.(this.descriptor.layerCount);
    return chunk.wantsLogits ? logits : undefined;
  }

  /** Text that was decoded once goes through the kernels of decode rows again, so that its KV is the same. */
  async #replay({ slot, start, tokenIds }: PrefillChunk, threads: number): Promise<Float32Array | undefined> {
    let logits: Float32Array | undefined;
    for (let first = 0; first < tokenIds.length; first += replayRowsMax) {
      const rows: DecodeRow[] = [...tokenIds.subarray(first, first + replayRowsMax)].map((tokenId, index) => ({
        slot,
        tokenId,
        position: start + first + index,
      }));
      logits = (await this.#decode.run(rows, threads)).at(-1);
    }
    return logits?.slice();
  }
}

function digest(parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}
