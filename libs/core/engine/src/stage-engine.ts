/**
 * Port: what a stage process asks of its engine, one request's stage at a time. The embedded engine, vLLM and SGLang
 * implement it. An engine never talks to another process: media tokens come in as memory, KV goes out and comes in as
 * memory; the stage moves both through the tensor plane.
 */

import type { BlockDigest } from '@tercet/kv';
import type { ReuseGrid } from '@tercet/scheduler';
import type { WorkReader } from './work-log.js';

export interface EngineDescriptor {
  readonly modelName: string;
  /** sha-256 over the weight files: processes with different weights never exchange tensors. */
  readonly modelDigest: string;
  /** Digest of model and memory layout of a KV row; the layout digest of every KV lease. */
  readonly kvLayoutDigest: string;
  readonly layerCount: number;
  /** Bytes of K (and, equally, of V) for one token in one layer. */
  readonly kvRowBytes: number;
  readonly contextTokensMax: number;
  readonly vocabSize: number;
  /** Present when the model sees images. */
  readonly media?: MediaDescriptor;
  /** Present when the model embeds text. */
  readonly embeddingDim?: number;
  /** Present when the engine keeps the KV of prompts for those that begin alike. */
  readonly reuse?: ReuseGrid;
}

/** What a vision tower takes and gives. */
export interface MediaDescriptor {
  /** Side of a tile, pixels. */
  readonly tileSize: number;
  readonly tokensPerTile: number;
  /** Squares of pixels that the tower cuts a tile into: what the work of encoding is counted in. */
  readonly patchesPerTile: number;
  /** Width of a media token, float32 values. */
  readonly dim: number;
  /** Per channel; pixels of 0 to 1 are normalised as (p - mean) / std. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Rows that fill a run of prompt slots. `rows` is float32, [tokens, dim], row-major. */
export interface MediaRows {
  readonly start: number;
  readonly tokens: number;
  readonly contentKey: string;
  readonly rows: Float32Array;
}

/** As `wire.Sampling`, with defaults filled in by the gateway. Penalties of 1 / 0 / 0 and temperature 0 are greedy. */
export interface SamplingParams {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly logitBias: ReadonlyMap<number, number>;
  readonly seed: bigint;
  readonly topLogprobs?: number;
  readonly grammar?: string;
  readonly ignoreEos: boolean;
}

export interface SampledToken {
  readonly tokenId: number;
  readonly logprob?: number;
  readonly topLogprobs?: readonly { readonly tokenId: number; readonly logprob: number }[];
}

export interface EncodeTask {
  readonly requestId: string;
  /** Normalised pixels, float32, [tiles, 3, size, size]. */
  readonly pixels: Float32Array;
  readonly tileCount: number;
}

export interface EmbedTask {
  readonly requestId: string;
  readonly inputs: readonly Uint32Array[];
}

export interface PrefillTask {
  readonly requestId: string;
  /** Takes turns with other tenants, and shares no cached prefix with them. Absent: one nameless tenant. */
  readonly tenant?: string;
  /** Prompt; on a replay, prompt and the `generatedTokens` that the client already has. */
  readonly tokenIds: Uint32Array;
  readonly media: readonly MediaRows[];
  readonly generatedTokens: number;
  readonly sampling: SamplingParams;
}

/** KV of one prefilled prompt, readable layer by layer while later layers still compute. */
export interface KvExport {
  readonly tokens: number;
  /** Resolves once K and V of this layer are complete; rejects when prefill failed. */
  layerReady(layer: number, signal: AbortSignal): Promise<void>;
  /** View of the rows of all tokens, `tokens * kvRowBytes` bytes; valid until `release`. */
  rows(layer: number, part: 'k' | 'v'): Uint8Array;
  /**
   * The reader has its copy, or nobody will come: the slot is free again. Idempotent. Owed by whoever got `started`,
   * also after a failure or an abort: until then a reader may still be reading these rows.
   */
  release(): void;
}

export type PrefillOutput =
  | { readonly kind: 'started'; readonly kv: KvExport; readonly cachedTokens: number; readonly queueMs: number }
  | {
      readonly kind: 'firstToken';
      readonly token: SampledToken;
      readonly endOfText: boolean;
      readonly computeMs: number;
    };

export interface DecodeTask {
  readonly requestId: string;
  readonly tenant?: string;
  /** All tokens whose KV is imported. */
  readonly tokenIds: Uint32Array;
  readonly generatedTokens: number;
  readonly sampling: SamplingParams;
  /** Tokens to generate at most after the first one. */
  readonly tokensMax: number;
}

export type DecodeOutput =
  | { readonly kind: 'token'; readonly token: SampledToken }
  | {
      readonly kind: 'finished';
      readonly reason: 'stop' | 'length';
      readonly tokens: number;
      readonly computeMs: number;
    };

/** KV space held for one sequence. Fill every layer through `rows`, then `run`. */
export interface DecodeSession extends AsyncDisposable {
  /** Writable view for the rows of all tokens of this layer. */
  rows(layer: number, part: 'k' | 'v'): Uint8Array;
  /** Generates after `firstTokenId`, which prefill sampled. The end-of-text token ends the run and is not yielded. */
  run(firstTokenId: number, signal: AbortSignal): AsyncIterable<DecodeOutput>;
}

export interface EngineLoad {
  readonly waiting: number;
  readonly running: number;
  readonly kvBlocksUsed: number;
  readonly kvBlocksTotal: number;
  readonly steps: number;
  readonly stepMsMean: number;
  readonly prefixCachedTokens: number;
}

/** Prompt blocks that an engine stores now and did not before, and the other way round; no block is in both. */
export interface PrefixChange {
  readonly stored: readonly BlockDigest[];
  readonly evicted: readonly BlockDigest[];
}

export interface StageEngine extends AsyncDisposable {
  readonly descriptor: EngineDescriptor;
  /** Media tokens, float32, [tiles * tokensPerTile, dim]. @throws feature_unsupported without a vision tower */
  encode(task: EncodeTask, signal: AbortSignal): Promise<Float32Array>;
  /** One unit vector per input. @throws feature_unsupported, prompt_too_long */
  embed(task: EmbedTask, signal: AbortSignal): Promise<Float32Array[]>;
  /** `started`, then `firstToken`. @throws prompt_too_long when it can never fit, overloaded when the queue is full */
  prefill(task: PrefillTask, signal: AbortSignal): AsyncIterable<PrefillOutput>;
  /** Waits for KV space. @throws prompt_too_long, overloaded */
  reserve(task: DecodeTask, signal: AbortSignal): Promise<DecodeSession>;
  load(): EngineLoad;
  /** The listener hears, in order, of all prompt blocks that are stored from now on. For one listener, before work. */
  watchPrefixes(listener: (change: PrefixChange) => void): void;
  /** The latest steps, for whoever fits costs to them. */
  readonly work: WorkReader;
}
