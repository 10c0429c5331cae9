import type { Candidates } from './candidates.js';
import { exponential } from './exponential.js';
import { likeliestToken, selectLargest } from './largest.js';
import { keepNucleus } from './nucleus.js';

export interface Truncation {
  /** Above 0. */
  readonly temperature: number;
  /** 0 is off. */
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
}

/** Tokens below exp(-40) of the likeliest one are left out: over a million of them weigh less than 1e-11 together. */
export const leastLogWeight = -40;

/**
 * Fills `out` with the tokens that survive, in this order: temperature, min-p (relative to the likeliest token), top-k,
 * top-p over what is left. Of equal logits the lower id survives. Whatever is asked for, the likeliest token stays.
 * Cost: with top-k one pass and a heap of k; without, two passes and, for top-p, a selection. Nothing is sorted whole.
 * @throws stage_failed when a logit is NaN or +infinity, or no token has a finite one
 */
export function selectCandidates(logits: Float32Array, truncation: Truncation, out: Candidates): void {
  const { topK, topP } = truncation;
  if (topK > 0 && topK < logits.length) {
    selectLargest(logits, topK, out);
    weighSorted(truncation, out);
  } else {
    weighAll(logits, truncation, out);
    if (topP < 1) keepNucleus(topP, out);
  }
}

/** The token at `uniform` (in [0, 1)) of the cumulated weights. */
export function drawCandidate(candidates: Candidates, uniform: number): number {
  const { tokenIds, weights, count, total } = candidates;
  const target = uniform * total;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += weights[i] as number;
    if (sum > target) return tokenIds[i] as number;
  }
  // Only rounding leads here; every candidate has a weight above 0.
  return tokenIds[count - 1] as number;
}

function weighAll(logits: Float32Array, { temperature, minP }: Truncation, out: Candidates): void {
  const { tokenIds, weights } = out;
  const max = logits[likeliestToken(logits)] as number;
  const scale = 1 / temperature;
  const least = leastOf(minP);
  let total = 0;
  let count = 0;
  for (let i = 0; i < logits.length; i++) {
    const logWeight = ((logits[i] as number) - max) * scale;
    if (logWeight < least) continue;
    tokenIds[count] = i;
    const weight = exponential(logWeight);
    weights[count++] = weight;
    total += weight;
  }
  out.count = count;
  out.total = total;
}

/** Turns sorted logits into weights and cuts the tail off. */
function weighSorted({ temperature, minP, topP }: Truncation, out: Candidates): void {
  const { weights } = out;
  const max = weights[0] as number;
  const scale = 1 / temperature;
  const least = leastOf(minP);
  let total = 0;
  let count = 0;
  for (; count < out.count; count++) {
    const logWeight = ((weights[count] as number) - max) * scale;
    if (logWeight < least) break;
    weights[count] = exponential(logWeight);
    total += weights[count] as number;
  }
  out.count = count;
  out.total = total;
  if (topP >= 1) return;
  const target = topP * total;
  let sum = weights[0] as number;
  let kept = 1;
  while (kept < count && sum < target) sum += weights[kept++] as number;
  out.count = kept;
  out.total = sum;
}

function leastOf(minP: number): number {
  return Math.max(leastLogWeight, Math.log(minP));
}
