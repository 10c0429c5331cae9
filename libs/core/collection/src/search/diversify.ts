import { first, type Ranked, scaled } from './ranked.js';

/**
 * The k of the candidates that together are relevant and stand for all candidates: the sum of their relevance and, by
 * the share `diversity`, how near the nearest of them is to every candidate. That gain never grows with what was taken
 * before, so what was last known of a candidate bounds it, and most are never looked at again.
 * @param candidates best first
 * @param similarity of two candidates by their places, from 0 to 1
 * @param diversity 0 takes the first k
 * @see Minoux 1978, "Accelerated greedy algorithms for maximizing submodular set functions": at least 1 − 1/e of the
 *   best choice
 */
export function diversify(
  candidates: Ranked,
  { k, diversity }: { readonly k: number; readonly diversity: number },
  similarity: (a: number, b: number) => number,
): Ranked {
  if (diversity === 0) return first(candidates, k);
  const relevance = scaled(candidates.scores);
  const covered = new Float64Array(relevance.length);
  const gainOf = (place: number) => {
    let coverage = 0;
    for (let other = 0; other < covered.length; other++) {
      coverage += Math.max(0, similarity(place, other) - (covered[other] as number));
    }
    return (1 - diversity) * (relevance[place] as number) + (diversity * coverage) / covered.length;
  };
  const left = relevance.map((_, place) => ({ place, gain: gainOf(place), known: 0 }));
  const taken: number[] = [];
  while (taken.length < k && left.length > 0) {
    left.sort((a, b) => b.gain - a.gain || a.place - b.place);
    const best = left[0] as (typeof left)[number];
    if (best.known < taken.length) {
      best.gain = gainOf(best.place);
      best.known = taken.length;
      continue;
    }
    left.shift();
    taken.push(best.place);
    for (let other = 0; other < covered.length; other++) {
      covered[other] = Math.max(covered[other] as number, similarity(best.place, other));
    }
  }
  return {
    slots: taken.map((place) => candidates.slots[place] as number),
    scores: taken.map((place) => candidates.scores[place] as number),
  };
}
