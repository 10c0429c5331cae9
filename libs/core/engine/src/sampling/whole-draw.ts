import { exponential } from './exponential.js';
import { likeliestToken } from './largest.js';
import { leastLogWeight } from './truncation.js';

/**
 * Draws from the whole vocabulary by rejection: tokens are counted in buckets of equal width below the largest logit; a
 * bucket is drawn as if its tokens all weighed what its upper border does, then one of them, which is taken with the
 * share of that weight that it has. Exact, with one exponential for each try instead of one for each token.
 * @see von Neumann 1951, "Various techniques used in connection with random digits", section 3
 */
export interface WholeDraw {
  readonly temperature: number;
  /** Uniform in [0, 1); each index gives another. */
  uniformOf(index: number): number;
}

const bucketsPerNat = 8;
const bucketCount = -leastLogWeight * bucketsPerNat;
const borders = Float64Array.from({ length: bucketCount }, (_, bucket) => Math.exp(-bucket / bucketsPerNat));
/** A try fails with less than 1 - exp(-1 / bucketsPerNat), 12 %. */
const triesMax = 512;

/** Cost: two and a half passes. @throws stage_failed as {@link likeliestToken} */
export function drawFromAll(logits: Float32Array, { temperature, uniformOf }: WholeDraw): number {
  const max = logits[likeliestToken(logits)] as number;
  const scale = bucketsPerNat / temperature;
  const counts = new Uint32Array(bucketCount);
  countBuckets(logits, { max, scale }, counts);
  let total = 0;
  for (let bucket = 0; bucket < bucketCount; bucket++)
    total += (counts[bucket] as number) * (borders[bucket] as number);
  for (let index = 0; index < 2 * triesMax; index += 2) {
    const { bucket, member } = pickMember(counts, uniformOf(index) * total);
    const tokenId = tokenAt(logits, { max, scale, bucket, member });
    const below = (max - (logits[tokenId] as number)) * scale - bucket;
    if (uniformOf(index + 1) < exponential(-below / bucketsPerNat)) return tokenId;
  }
  return likeliestToken(logits);
}

interface Scale {
  readonly max: number;
  /** Buckets per unit of a logit. */
  readonly scale: number;
}

function countBuckets(logits: Float32Array, { max, scale }: Scale, out: Uint32Array): void {
  for (let i = 0; i < logits.length; i++) {
    const place = (max - (logits[i] as number)) * scale;
    if (place < bucketCount) (out[place | 0] as number)++;
  }
}

/** Where `target` falls when each bucket is as long as its count times its border. */
function pickMember(counts: Uint32Array, target: number): { readonly bucket: number; readonly member: number } {
  let rest = target;
  let last = 0;
  for (let bucket = 0; bucket < bucketCount; bucket++) {
    const count = counts[bucket] as number;
    if (count === 0) continue;
    const border = borders[bucket] as number;
    if (rest < count * border) return { bucket, member: Math.min(count - 1, Math.floor(rest / border)) };
    rest -= count * border;
    last = bucket;
  }
  // Only rounding leads here.
  return { bucket: last, member: (counts[last] as number) - 1 };
}

function tokenAt(
  logits: Float32Array,
  { max, scale, bucket, member }: Scale & { readonly bucket: number; readonly member: number },
): number {
  let before = member;
  for (let i = 0; i < logits.length; i++) {
    const place = (max - (logits[i] as number)) * scale;
    if (place >= bucket && place < bucket + 1 && before-- === 0) return i;
  }
  throw new Error('bug: a bucket has fewer tokens than were counted');
}
