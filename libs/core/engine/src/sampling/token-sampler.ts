import { TercetError } from '@tercet/contracts';
import type { Sampler } from '../embedded/sampler.js';
import type { SampledToken, SamplingParams } from '../stage-engine.js';
import type { Candidates } from './candidates.js';
import { withLogprobs } from './logprobs.js';
import { uniformAt } from './philox.js';
import type { TokenPenalties } from './token-penalties.js';
import { drawCandidate, selectCandidates } from './truncation.js';
import { drawFromAll } from './whole-draw.js';

/** Allows tokens by what the text is so far. */
export interface TokenMask {
  /** Sets the logits of tokens that may not come next to -infinity. */
  apply(out: Float32Array): void;
  accept(tokenId: number): void;
}

export interface TokenSamplerParts {
  readonly params: SamplingParams;
  readonly penalties: TokenPenalties | undefined;
  readonly mask: TokenMask | undefined;
  /** Shared by samplers: sampling never waits, so no two use it at once. */
  readonly scratch: SamplerScratch;
  /** @throws stage_failed for logits without a largest */
  likeliest(logits: Float32Array): number;
}

export interface SamplerScratch {
  readonly candidates: Candidates;
  /** [vocab] */
  readonly logits: Float32Array;
}

/** A temperature below this is greedy: weights would overflow. */
const leastTemperature = 1e-5;

/**
 * Order: bias, (logprobs), grammar mask, penalties, then the largest logit, or temperature, min-p, top-k, top-p and a
 * draw keyed by seed and position.
 */
export class TokenSampler implements Sampler {
  readonly #parts: TokenSamplerParts;

  constructor(parts: TokenSamplerParts) {
    this.#parts = parts;
  }

  sample(logits: Float32Array, position: number): SampledToken {
    const { params, penalties, mask, scratch } = this.#parts;
    const { topLogprobs } = params;
    if (logits.length !== scratch.logits.length) {
      throw new TercetError('stage_failed', { reason: 'logits_length', logits: logits.length });
    }
    addBias(params.logitBias, logits);
    if (topLogprobs !== undefined) scratch.logits.set(logits);
    mask?.apply(logits);
    penalties?.apply(logits);
    const tokenId = this.#choose(logits, position);
    this.accept(tokenId);
    if (topLogprobs === undefined) return { tokenId };
    return withLogprobs(tokenId, { logits: scratch.logits, topLogprobs }, scratch.candidates);
  }

  accept(tokenId: number): void {
    this.#parts.penalties?.accept(tokenId);
    this.#parts.mask?.accept(tokenId);
  }

  #choose(logits: Float32Array, position: number): number {
    const { params, scratch, likeliest } = this.#parts;
    if (params.temperature < leastTemperature) return likeliest(logits);
    const { seed, temperature, topK, topP, minP } = params;
    if (topK === 0 && topP === 1 && minP === 0) {
      return drawFromAll(logits, { temperature, uniformOf: (index) => uniformAt(seed, position, index) });
    }
    selectCandidates(logits, params, scratch.candidates);
    return drawCandidate(scratch.candidates, uniformAt(seed, position));
  }
}

function addBias(bias: ReadonlyMap<number, number>, out: Float32Array): void {
  for (const [tokenId, value] of bias) (out[tokenId] as number) += value;
}
