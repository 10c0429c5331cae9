import { greedySampling } from '../embedded/greedy-sampler.js';
import type { SamplerContext } from '../embedded/sampler.js';
import type { SamplingParams } from '../stage-engine.js';
import type { SamplerVocabulary } from './sampler-factory.js';
import type { Truncation } from './truncation.js';

export const plain: SamplingParams = { ...greedySampling, temperature: 1, seed: 1n };

export function contextOf(sampling: Partial<SamplingParams>, text: Partial<SamplerContext> = {}): SamplerContext {
  return { tokenIds: new Uint32Array(0), generatedTokens: 0, ...text, sampling: { ...plain, ...sampling } };
}

/** Token i is one byte, i + 32; the last one ends the text. */
export function asciiVocabulary(vocabSize: number): SamplerVocabulary {
  return {
    vocabSize,
    tokenBytes: (tokenId) => (tokenId < vocabSize - 1 ? Uint8Array.of(tokenId + 32) : new Uint8Array(0)),
    endOfTextTokenIds: new Set([vocabSize - 1]),
  };
}

/** The distribution, by sorting everything: slow and obvious. */
export function slowDistribution(logits: ArrayLike<number>, truncation: Truncation): Map<number, number> {
  const { temperature, topK, topP, minP } = truncation;
  const ranked = Array.from(logits, (logit, tokenId) => ({ tokenId, logit })).sort(
    (a, b) => b.logit - a.logit || a.tokenId - b.tokenId,
  );
  const max = ranked[0]?.logit ?? 0;
  const weighed = ranked.map((one) => ({ ...one, weight: Math.exp((one.logit - max) / temperature) }));
  const likely = weighed.filter(({ weight }) => weight >= minP).slice(0, topK === 0 ? undefined : topK);
  const total = likely.reduce((sum, { weight }) => sum + weight, 0);
  const kept: typeof likely = [];
  let sum = 0;
  for (const one of likely) {
    if (kept.length > 0 && sum >= topP * total) break;
    kept.push(one);
    sum += one.weight;
  }
  return new Map(kept.map(({ tokenId, weight }) => [tokenId, weight / sum]));
}
