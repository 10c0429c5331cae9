import { expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { Bitmap } from './bitmap.js';
import { ExactIndex } from './exact-index.js';
import { type Metric, noSlot } from './vector-index.js';

const distances: Readonly<Record<Metric, (a: readonly number[], b: readonly number[]) => number>> = {
  cosine: (a, b) => 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)),
  'inner-product': (a, b) => -dot(a, b),
  l2: (a, b) => a.reduce((sum, value, i) => sum + (value - (b[i] as number)) ** 2, 0),
};

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}

test.each(['cosine', 'inner-product', 'l2'] as const)(
  '%s: the nearest of what is allowed, at every dimension',
  (metric) => {
    const random = new Prng(3);
    for (const dim of [1, 2, 3, 4, 5, 7, 8, 33]) {
      const index = new ExactIndex({ metric, dim });
      const vector = () => Array.from({ length: dim }, () => Math.fround(random.nextFloat() * 2 - 1));
      const rows = new Map<number, number[]>();
      for (let i = 0; i < 120; i++) {
        const [slot, row] = [random.nextBelow(90), vector()];
        index.upsert(Uint32Array.of(slot), Float32Array.from(row));
        rows.set(slot, row);
        if (i % 5 !== 0) continue;
        index.remove(Uint32Array.of(slot));
        rows.delete(slot);
      }
      const allow = new Bitmap(90);
      for (const slot of rows.keys()) if (slot % 3 === 0) allow.add(slot);
      const query = vector();
      const found = index.search({ queries: Float32Array.from(query), k: 10, allow: allow.words });
      const expected = [...rows]
        .filter(([slot]) => slot % 3 === 0)
        .map(([slot, row]) => ({ slot, distance: distances[metric](query, row) }))
        .toSorted((a, b) => a.distance - b.distance);
      expect(index.size).toBe(rows.size);
      expect(found.distanceComputations).toBe(expected.length);
      const nearest = expected.slice(0, 10);
      expect([...found.distances]).toEqual(nearest.map(({ distance }) => expect.closeTo(distance, 4)));
      if (dim > 1) expect([...found.slots]).toEqual(nearest.map(({ slot }) => slot));
    }
  },
);

test('where there are fewer than k, the rest is padding', () => {
  const index = new ExactIndex({ metric: 'l2', dim: 1 });
  index.upsert(Uint32Array.of(5), Float32Array.of(1));
  const { slots, counts } = index.search({ queries: Float32Array.of(0, 2), k: 2 });
  expect([[...slots], [...counts]]).toEqual([
    [5, noSlot, 5, noSlot],
    [1, 1],
  ]);
});
