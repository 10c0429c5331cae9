import type { Clock } from '@tercet/base';
import type { StepLimits } from '@tercet/scheduler';
import type { Backend } from '../backend.js';
import type { SamplerFactory } from './sampler.js';

export interface EmbeddedEngineOptions {
  /** Owned by the engine from here on, and closed with it. */
  readonly backend: Backend;
  readonly clock: Clock;
  readonly samplerOf: SamplerFactory;
  /** Tokens that end a text; they are reported, never yielded as text. */
  readonly endOfTextTokenIds: ReadonlySet<number>;
  readonly limits: EngineLimits;
  /** Asked before each step; absent: `threads` are granted at once. */
  readonly acquireCores?: AcquireCores;
  /** Cores that a step may use at most; it uses as many of them as measurements say. */
  readonly threads: number;
  /** Every step uses all cores that it may, whatever others compute beside it; default false. */
  readonly fixedThreads?: boolean;
}

export interface EngineLimits extends StepLimits {
  /** KV blocks that may be committed to memory, over all slots. */
  readonly kvBlocksMax: number;
  /** Prefixes are reused in multiples of this many tokens; 0 reuses nothing. */
  readonly reuseGrainTokens: number;
  /** Prompts and reservations without a slot, and (apart) encode and embed requests; beyond it: `overloaded`. */
  readonly waitingMax: number;
  /** Tiles in one encode step. */
  readonly stepTilesMax: number;
  /** Rows that a decode sequence reserves ahead of its text; it grows in such pieces while it runs. */
  readonly decodeAheadTokens: number;
}

export interface CoreNeed {
  readonly kind: 'encode' | 'prefill' | 'decode';
  /** Rows that the step computes; tiles or texts when it encodes. */
  readonly tokens: number;
  /** Cores that the step has use for. */
  readonly threadsMax: number;
}

export interface CoreGrant {
  readonly threads: number;
  release(): void;
}

export type AcquireCores = (need: CoreNeed, signal: AbortSignal) => Promise<CoreGrant>;
