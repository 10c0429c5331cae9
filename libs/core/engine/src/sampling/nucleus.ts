import { type Candidates, isWorse, swap } from './candidates.js';

/**
 * Keeps the fewest candidates, best first, whose weights reach `topP` of the total; at least one. Weights must lie in
 * [exp(-40), 1]. Their order changes.
 *
 * Weights fall into buckets by exponent and four bits of mantissa, so that sums of buckets tell in which one the border
 * lies; only that one is searched, by quickselect. Cost: three passes.
 * @see Holtzman et al. 2020, arXiv:1904.09751, section 3.1
 */
export function keepNucleus(topP: number, out: Candidates): void {
  const mass = new Float64Array(bucketCount);
  fillBuckets(out, mass);
  // Never 0, so that the first candidate is kept.
  const target = Math.max(topP * out.total, Number.MIN_VALUE);
  let sum = 0;
  let border = 0;
  while (border < bucketCount - 1 && sum + (mass[border] as number) < target) sum += mass[border++] as number;
  const words = highWordsOf(out);
  const to = moveToFront({ out, words }, { end: out.count, most: border });
  const from = moveToFront({ out, words }, { end: to, most: border - 1 });
  out.count = countToReach(out, { from, to, needed: target - sum });
  out.total = 0;
  for (let i = 0; i < out.count; i++) out.total += out.weights[i] as number;
}

const bucketCount = 1024;
/** High 16 bits of the double 1.0; a bucket is the distance below it. */
const topBits = 0x3ff0;
const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
const highWord = isLittleEndian ? 1 : 0;

function highWordsOf({ weights }: Candidates): Uint32Array {
  return new Uint32Array(weights.buffer, weights.byteOffset, weights.length * 2);
}

function bucketOf(words: Uint32Array, index: number): number {
  return topBits - ((words[2 * index + highWord] as number) >>> 16);
}

function fillBuckets(candidates: Candidates, out: Float64Array): void {
  const { weights, count } = candidates;
  const words = highWordsOf(candidates);
  for (let i = 0; i < count; i++) (out[bucketOf(words, i)] as number) += weights[i] as number;
}

/** Moves the candidates before `end` that are in buckets up to `most` to the front; returns their end. */
function moveToFront(
  { out, words }: { readonly out: Candidates; readonly words: Uint32Array },
  { end, most }: { readonly end: number; readonly most: number },
): number {
  let moved = 0;
  for (let i = 0; i < end; i++) if (bucketOf(words, i) <= most) swap(out, i, moved++);
  return moved;
}

/** Orders [from, to) so far that the best ones that reach `needed` come first; returns their end. */
function countToReach(
  out: Candidates,
  { from, to, needed }: { readonly from: number; readonly to: number; readonly needed: number },
): number {
  const { weights } = out;
  let low = from;
  let high = to;
  let missing = needed;
  while (low < high) {
    const pivot = partition(out, low, high - 1);
    let better = 0;
    for (let i = low; i < pivot; i++) better += weights[i] as number;
    if (better >= missing) {
      high = pivot;
    } else {
      missing -= better + (weights[pivot] as number);
      if (missing <= 0) return pivot + 1;
      low = pivot + 1;
    }
  }
  return low;
}

/** Puts the middle one of first, middle and last to its place: better ones before it, worse ones after. */
function partition(out: Candidates, first: number, last: number): number {
  const middle = (first + last) >> 1;
  if (isWorse(out, first, middle)) swap(out, first, middle);
  if (isWorse(out, middle, last)) swap(out, middle, last);
  if (isWorse(out, first, middle)) swap(out, first, middle);
  swap(out, middle, last);
  let place = first;
  for (let i = first; i < last; i++) {
    if (isWorse(out, last, i)) swap(out, i, place++);
  }
  swap(out, place, last);
  return place;
}
