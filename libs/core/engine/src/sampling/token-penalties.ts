import type { SamplingParams } from '../stage-engine.js';

export interface History {
  readonly tokenIds: Uint32Array;
  /** So many of the last tokens are generated text; the others are the prompt. */
  readonly generatedTokens: number;
}

/**
 * Makes tokens that the sequence already has less likely. Memory grows with distinct tokens, not with the vocabulary.
 */
export class TokenPenalties {
  readonly #repetition: number;
  readonly #frequency: number;
  readonly #presence: number;
  readonly #indexOf = new Map<number, number>();
  readonly #tokenIds: number[] = [];
  /** How often each of `#tokenIds` was generated; 0 stands in the prompt only. */
  readonly #generated: number[] = [];

  private constructor(params: SamplingParams, history: History) {
    this.#repetition = params.repetitionPenalty;
    this.#frequency = params.frequencyPenalty;
    this.#presence = params.presencePenalty;
    const { tokenIds, generatedTokens } = history;
    const promptTokens = tokenIds.length - generatedTokens;
    const from = this.#repetition === 1 ? promptTokens : 0;
    for (let i = from; i < tokenIds.length; i++) this.#count(tokenIds[i] as number, i < promptTokens ? 0 : 1);
  }

  /** Undefined when no penalty is asked for. */
  static of(params: SamplingParams, history: History): TokenPenalties | undefined {
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = params;
    if (repetitionPenalty === 1 && frequencyPenalty === 0 && presencePenalty === 0) return undefined;
    return new TokenPenalties(params, history);
  }

  accept(tokenId: number): void {
    this.#count(tokenId, 1);
  }

  /**
   * Repetition counts prompt and generated text: a positive logit is divided by the penalty, a negative one multiplied.
   * Frequency (per occurrence) and presence (once) count generated text only, and are subtracted.
   * @see Keskar et al. 2019, arXiv:1909.05858, section 4.1, for the first; OpenAI's API reference for the others
   */
  apply(out: Float32Array): void {
    for (let i = 0; i < this.#tokenIds.length; i++) {
      const tokenId = this.#tokenIds[i] as number;
      if (tokenId >= out.length) continue;
      const times = this.#generated[i] as number;
      let logit = out[tokenId] as number;
      logit = logit > 0 ? logit / this.#repetition : logit * this.#repetition;
      if (times > 0) logit -= this.#frequency * times + this.#presence;
      out[tokenId] = logit;
    }
  }

  #count(tokenId: number, times: number): void {
    const index = this.#indexOf.get(tokenId);
    if (index !== undefined) {
      (this.#generated[index] as number) += times;
      return;
    }
    this.#indexOf.set(tokenId, this.#tokenIds.length);
    this.#tokenIds.push(tokenId);
    this.#generated.push(times);
  }
}
