import type { SampledToken, SamplingParams } from '../stage-engine.js';

/** Chooses the tokens of one sequence: penalties, grammar and randomness are its state. */
export interface Sampler {
  /**
   * The token at `position` of the sequence, from the logits of the token before it. Randomness depends on the seed and
   * the position alone. The token becomes part of the history. `logits` may be overwritten.
   */
  sample(logits: Float32Array, position: number): SampledToken;
  /** Adds a token that was sampled elsewhere to the history. */
  accept(tokenId: number): void;
}

export interface SamplerContext {
  readonly sampling: SamplingParams;
  /** The sequence so far; its last `generatedTokens` are generated text. */
  readonly tokenIds: Uint32Array;
  readonly generatedTokens: number;
}

/** @throws grammar_unsupported */
export type SamplerFactory = (context: SamplerContext) => Sampler;
