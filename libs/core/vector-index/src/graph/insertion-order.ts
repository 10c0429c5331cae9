import { Prng } from '@tercet/base';

/** In which order a bulk build takes vectors in. `keys`: local dimensionalities, or numbers of categories. */
export type InsertionOrder =
  | { readonly kind: 'given' }
  | { readonly kind: 'random'; readonly seed: number }
  | { readonly kind: 'ascending' | 'descending'; readonly keys: ArrayLike<number> };

/**
 * The places of `count` vectors in the order asked for; equal keys keep theirs.
 * @see Elliott & Clark 2024, arXiv:2405.17813, section 5: ascending local dimensionality costs recall, descending does
 *      not, and so does data that comes category by category
 */
export function insertionOrder(count: number, order: InsertionOrder): Uint32Array {
  const places = Uint32Array.from({ length: count }, (_, i) => i);
  switch (order.kind) {
    case 'given':
      return places;
    case 'random':
      return shuffled(places, new Prng(order.seed));
    default: {
      const sign = order.kind === 'ascending' ? 1 : -1;
      const key = (place: number) => order.keys[place] as number;
      return places.sort((a, b) => sign * (key(a) - key(b)) || a - b);
    }
  }
}

/**
 * How many dimensions the data has about a point, from the distances to its neighbours.
 * @param distances of the nearest others, ascending; plain, not squared
 * @returns infinity where all are as far as the last
 * @see Amsaleg et al. 2015, "Estimating local intrinsic dimensionality", the maximum likelihood estimator
 */
export function localDimensionality(distances: Float32Array): number {
  const positive = distances.filter((distance) => distance > 0);
  const furthest = positive.at(-1);
  if (furthest === undefined) return 0;
  const sum = positive.reduce((total, distance) => total + Math.log(distance / furthest), 0);
  return sum === 0 ? Number.POSITIVE_INFINITY : -positive.length / sum;
}

function shuffled(places: Uint32Array, prng: Prng): Uint32Array {
  for (let i = places.length - 1; i > 0; i--) {
    const j = prng.nextBelow(i + 1);
    [places[i], places[j]] = [places[j] as number, places[i] as number];
  }
  return places;
}
