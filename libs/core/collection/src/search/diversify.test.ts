import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { diversify } from './diversify.js';
import { scaled } from './ranked.js';

const anyCase = fc.record({
  places: fc.array(fc.record({ score: fc.integer({ min: 0, max: 100 }), at: fc.integer({ min: 0, max: 10 }) }), {
    minLength: 1,
    maxLength: 8,
  }),
  k: fc.integer({ min: 1, max: 4 }),
  diversity: fc.constantFrom(0.1, 0.5, 0.9),
});

type Case = typeof anyCase extends fc.Arbitrary<infer Value> ? Value : never;

function candidatesOf({ places }: Case) {
  const sorted = places.toSorted((a, b) => b.score - a.score);
  const similarity = (a: number, b: number) => 1 - Math.abs((sorted[a]?.at ?? 0) - (sorted[b]?.at ?? 0)) / 10;
  return { candidates: { slots: sorted.map((_, i) => i), scores: sorted.map(({ score }) => score) }, similarity };
}

function worth(
  chosen: readonly number[],
  { diversity }: Case,
  { candidates, similarity }: ReturnType<typeof candidatesOf>,
) {
  const relevance = scaled(candidates.scores);
  const all = candidates.slots;
  const coverage = all.reduce((sum, other) => sum + Math.max(0, ...chosen.map((each) => similarity(each, other))), 0);
  const relevant = chosen.reduce((sum, each) => sum + (relevance[each] as number), 0);
  return (1 - diversity) * relevant + (diversity * coverage) / all.length;
}

function* choices(n: number, k: number, from = 0): Generator<number[]> {
  if (k === 0) yield [];
  for (let i = from; k > 0 && i < n; i++) for (const rest of choices(n, k - 1, i + 1)) yield [i, ...rest];
}

describe('diverse answers', () => {
  test('they are worth at least 1 − 1/e of the best choice', () =>
    fc.assert(
      fc.property(anyCase, (of) => {
        const parts = candidatesOf(of);
        const { slots } = diversify(parts.candidates, of, parts.similarity);
        const k = Math.min(of.k, parts.candidates.slots.length);
        const best = Math.max(
          ...[...choices(parts.candidates.slots.length, k)].map((chosen) => worth(chosen, of, parts)),
        );
        expect(slots).toHaveLength(k);
        expect(worth(slots, of, parts)).toBeGreaterThanOrEqual((1 - 1 / Math.E) * best - 1e-9);
      }),
    ));

  test('near duplicates leave room for what is new', () => {
    const candidates = { slots: [1, 2, 3, 4], scores: [0.9, 0.89, 0.88, 0.6] };
    const similarity = (a: number, b: number) => (a === b || (a < 3 && b < 3) ? 1 : 0);
    expect(diversify(candidates, { k: 2, diversity: 0 }, similarity).slots).toEqual([1, 2]);
    expect(diversify(candidates, { k: 2, diversity: 0.9 }, similarity).slots).toEqual([1, 4]);
  });
});
