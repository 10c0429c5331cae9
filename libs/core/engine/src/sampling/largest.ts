import { TercetError } from '@tercet/contracts';
import { type Candidates, isWorse, swap } from './candidates.js';

/** The likeliest token; of equal ones the lowest id. @throws stage_failed as {@link selectCandidates} */
export function likeliestToken(logits: Float32Array): number {
  let best = -1;
  let bestLogit = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] as number;
    if (!(logit <= bestLogit)) {
      if (Number.isNaN(logit)) throw notFinite(i, logit);
      best = i;
      bestLogit = logit;
    }
  }
  if (best < 0 || bestLogit === Number.POSITIVE_INFINITY) throw notFinite(best, bestLogit);
  return best;
}

/** What a model that computed rubbish gives, or a mask that leaves nothing. */
export function notFinite(tokenId: number, logit: number): TercetError {
  return new TercetError('stage_failed', { reason: 'logits_not_finite', tokenId, logit });
}

/**
 * The k largest logits with their tokens, largest first, of equal ones the lower id first: a heap whose root is the
 * worst that is kept. Almost every logit costs one comparison with the root.
 */
export function selectLargest(logits: Float32Array, k: number, out: Candidates): void {
  const { tokenIds, weights } = out;
  for (let i = 0; i < k; i++) {
    const logit = logits[i] as number;
    if (Number.isNaN(logit)) throw notFinite(i, logit);
    tokenIds[i] = i;
    weights[i] = logit;
  }
  for (let i = (k >> 1) - 1; i >= 0; i--) siftDown(out, i, k);
  for (let i = k; i < logits.length; i++) {
    const logit = logits[i] as number;
    if (logit <= (weights[0] as number)) continue;
    if (Number.isNaN(logit)) throw notFinite(i, logit);
    tokenIds[0] = i;
    weights[0] = logit;
    siftDown(out, 0, k);
  }
  for (let end = k - 1; end > 0; end--) {
    swap(out, 0, end);
    siftDown(out, 0, end);
  }
  out.count = k;
  if (!Number.isFinite(weights[0] as number)) throw notFinite(tokenIds[0] as number, weights[0] as number);
}

function siftDown(heap: Candidates, from: number, size: number): void {
  let parent = from;
  for (;;) {
    let worst = parent;
    const left = 2 * parent + 1;
    if (left < size && isWorse(heap, left, worst)) worst = left;
    if (left + 1 < size && isWorse(heap, left + 1, worst)) worst = left + 1;
    if (worst === parent) return;
    swap(heap, parent, worst);
    parent = worst;
  }
}
