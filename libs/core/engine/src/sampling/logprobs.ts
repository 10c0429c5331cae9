import type { SampledToken } from '../stage-engine.js';
import type { Candidates } from './candidates.js';
import { exponential } from './exponential.js';
import { likeliestToken, selectLargest } from './largest.js';
import { leastLogWeight } from './truncation.js';

/**
 * A sampled token with natural log probabilities: log softmax of `logits`, which are the model's with the request's
 * bias and before penalties, temperature, truncation and grammar. A token without a chance there has -infinity.
 * @param scratch overwritten
 */
export function withLogprobs(
  tokenId: number,
  { logits, topLogprobs }: { readonly logits: Float32Array; readonly topLogprobs: number },
  scratch: Candidates,
): SampledToken {
  const norm = logSumExp(logits);
  const logprobOf = (logit: number) => logit - norm;
  const top: { tokenId: number; logprob: number }[] = [];
  const count = Math.min(topLogprobs, logits.length);
  if (count > 0) {
    selectLargest(logits, count, scratch);
    for (let i = 0; i < count; i++) {
      top.push({ tokenId: scratch.tokenIds[i] as number, logprob: logprobOf(scratch.weights[i] as number) });
    }
  }
  return { tokenId, logprob: logprobOf(logits[tokenId] as number), topLogprobs: top };
}

function logSumExp(logits: Float32Array): number {
  const max = logits[likeliestToken(logits)] as number;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    const below = (logits[i] as number) - max;
    if (below >= leastLogWeight) sum += exponential(below);
  }
  return max + Math.log(sum);
}
