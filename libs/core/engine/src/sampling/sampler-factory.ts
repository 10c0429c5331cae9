import type { SamplerFactory } from '../embedded/sampler.js';
import { GrammarMask, Grammars } from '../grammar/index.js';
import { candidatesFor } from './candidates.js';
import { checkedSampling } from './checked-params.js';
import { likeliestToken } from './largest.js';
import { TokenPenalties } from './token-penalties.js';
import { type SamplerScratch, type TokenMask, TokenSampler } from './token-sampler.js';

/** What sampling must know about the tokens of a model. */
export interface SamplerVocabulary {
  /** Length of a row of logits; tokenizers may know fewer tokens. */
  readonly vocabSize: number;
  /** The bytes that a token adds to the text; none for control tokens and for ids without a token. */
  tokenBytes(tokenId: number): Uint8Array;
  readonly endOfTextTokenIds: ReadonlySet<number>;
}

/** What a machine does faster than plain code. */
export interface SamplerKernels {
  /**
   * Index of the largest value, the lowest of equal ones; -1 where a value is no number, or the largest is not finite.
   */
  largest(values: Float32Array): number;
}

/**
 * Samplers for the requests of one engine. They share memory for one vocabulary, so they run on one event loop.
 * The factory throws invalid_request for a parameter out of range, grammar_unsupported, and stage_protocol when the
 * generated tokens so far break the grammar. Making it reads the bytes of every token.
 */
export function createSamplerFactory(vocabulary: SamplerVocabulary, kernels?: SamplerKernels): SamplerFactory {
  const { vocabSize } = vocabulary;
  const scratch: SamplerScratch = { candidates: candidatesFor(vocabSize), logits: new Float32Array(vocabSize) };
  const likeliest = kernels === undefined ? likeliestToken : likeliestBy(kernels);
  const grammars = new Grammars(vocabulary);
  return ({ sampling, tokenIds, generatedTokens }) => {
    const params = checkedSampling(sampling, vocabSize);
    const generated = tokenIds.subarray(tokenIds.length - generatedTokens);
    const mask = maskOf(grammars, params.grammar ?? '', generated);
    const penalties = TokenPenalties.of(params, { tokenIds, generatedTokens });
    return new TokenSampler({ params, penalties, mask, scratch, likeliest });
  };
}

/** Plain code says what is wrong with logits that have no largest. */
function likeliestBy(kernels: SamplerKernels): (logits: Float32Array) => number {
  return (logits) => {
    const found = kernels.largest(logits);
    return found < 0 ? likeliestToken(logits) : found;
  };
}

function maskOf(grammars: Grammars, grammar: string, generated: Uint32Array): TokenMask | undefined {
  if (grammar === '') return undefined;
  const mask = new GrammarMask(grammars.grammarOf(grammar));
  for (const tokenId of generated) mask.accept(tokenId);
  return mask;
}
