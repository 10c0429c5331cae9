import { TercetError } from '@tercet/contracts';
import type { SamplerFactory } from '../embedded/sampler.js';
import { candidatesFor } from './candidates.js';
import { checkedSampling } from './checked-params.js';
import { TokenPenalties } from './token-penalties.js';
import { type SamplerScratch, TokenSampler } from './token-sampler.js';

/** What sampling must know about the tokens of a model. */
export interface SamplerVocabulary {
  /** Length of a row of logits; tokenizers may know fewer tokens. */
  readonly vocabSize: number;
  /** The bytes that a token adds to the text; none for control tokens and for ids without a token. */
  tokenBytes(tokenId: number): Uint8Array;
  readonly endOfTextTokenIds: ReadonlySet<number>;
}

/**
 * Samplers for the requests of one engine. They share memory for one vocabulary, so they run on one event loop.
 * The factory throws invalid_request for a parameter out of range and grammar_unsupported.
 */
export function createSamplerFactory(vocabulary: SamplerVocabulary): SamplerFactory {
  const { vocabSize } = vocabulary;
  const scratch: SamplerScratch = { candidates: candidatesFor(vocabSize), logits: new Float32Array(vocabSize) };
  return ({ sampling, tokenIds, generatedTokens }) => {
    const params = checkedSampling(sampling, vocabSize);
    if (params.grammar !== undefined && params.grammar !== '') {
      throw new TercetError('grammar_unsupported', { reason: 'this build has no grammars' });
    }
    const penalties = TokenPenalties.of(params, { tokenIds, generatedTokens });
    return new TokenSampler({ params, penalties, mask: undefined, scratch });
  };
}
