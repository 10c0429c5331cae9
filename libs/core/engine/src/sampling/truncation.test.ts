import { describe, expect, test } from '@jest/globals';
import { TercetError } from '@tercet/contracts';
import fc from 'fast-check';
import { candidatesFor } from './candidates.js';
import { likeliestToken } from './largest.js';
import { slowDistribution } from './testing.js';
import { drawCandidate, selectCandidates, type Truncation } from './truncation.js';

const off: Truncation = { temperature: 1, topK: 0, topP: 1, minP: 0 };

function distributionOf(logits: Float32Array, truncation: Truncation): Map<number, number> {
  const out = candidatesFor(logits.length);
  selectCandidates(logits, truncation, out);
  const weights = Array.from(out.weights.subarray(0, out.count));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return new Map(weights.map((weight, i) => [out.tokenIds[i] as number, weight / total]));
}

function expectClose(actual: Map<number, number>, expected: Map<number, number>): void {
  expect([...actual.keys()].sort((a, b) => a - b)).toEqual([...expected.keys()].sort((a, b) => a - b));
  for (const [tokenId, share] of expected) expect(actual.get(tokenId)).toBeCloseTo(share, 10);
}

describe('selectCandidates', () => {
  const logits = Float32Array.of(0, Math.log(4), Math.log(2), Math.log(4), Math.log(1));
  test.each([
    { name: 'nothing cut', truncation: off, kept: [0, 1, 2, 3, 4] },
    { name: 'top-k keeps the lower id of equal ones', truncation: { ...off, topK: 1 }, kept: [1] },
    { name: 'top-k keeps the lower id of equal ones in the tail', truncation: { ...off, topK: 4 }, kept: [0, 1, 2, 3] },
    { name: 'top-k beyond the vocabulary is off', truncation: { ...off, topK: 99 }, kept: [0, 1, 2, 3, 4] },
    { name: 'top-p keeps the token that reaches it', truncation: { ...off, topP: 0.5 }, kept: [1, 3] },
    { name: 'top-p 0 keeps the likeliest', truncation: { ...off, topP: 0 }, kept: [1] },
    { name: 'min-p is relative to the likeliest', truncation: { ...off, minP: 0.4 }, kept: [1, 2, 3] },
    { name: 'min-p 1 keeps the likeliest ones', truncation: { ...off, minP: 1 }, kept: [1, 3] },
    { name: 'top-p counts what top-k left', truncation: { ...off, topK: 2, topP: 0.5 }, kept: [1] },
    {
      name: 'a low temperature sharpens before min-p',
      truncation: { ...off, temperature: 0.5, minP: 0.4 },
      kept: [1, 3],
    },
  ])('$name', ({ truncation, kept }) => {
    expect([...distributionOf(logits, truncation).keys()].sort((a, b) => a - b)).toEqual(kept);
  });

  test('equals the slow version that sorts everything', () => {
    const anyTruncation = fc.record({
      temperature: fc.constantFrom(0.1, 0.7, 1, 2.5),
      topK: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 80 })),
      // Off the sums that small whole numbers of equal weights give, where rounding would decide.
      topP: fc.constantFrom(1, 0.9871239, 0.9013417, 0.5123717, 0.0913781),
      minP: fc.constantFrom(0, 0.0517, 0.3333, 1),
    });
    const anyLogits = fc.oneof(
      // Logits that differ have weights that differ.
      fc.array(
        fc.integer({ min: -30_000, max: 30_000 }).map((n) => n / 1024),
        { minLength: 1, maxLength: 300 },
      ),
      fc.array(fc.integer({ min: -2, max: 3 }), { minLength: 1, maxLength: 300 }),
      fc.array(fc.constantFrom(1, Number.NEGATIVE_INFINITY, 0.5, -20), { minLength: 1, maxLength: 300 }),
    );
    fc.assert(
      fc.property(anyLogits, anyTruncation, (values, truncation) => {
        const logits = Float32Array.from(values);
        fc.pre(logits.some((logit) => Number.isFinite(logit)));
        const slow = slowDistribution(logits, truncation);
        // The slow version keeps weights that are too small to matter.
        const shown = new Map([...slow].filter(([, share]) => share > 1e-15));
        const fast = new Map([...distributionOf(logits, truncation)].filter(([, share]) => share > 1e-15));
        expectClose(fast, shown);
      }),
      { numRuns: 2000 },
    );
  });

  test('a flat vocabulary of 262,144 tokens keeps the lowest ids in the nucleus', () => {
    const kept = distributionOf(new Float32Array(262_144), { ...off, topP: 0.25 });
    expect(kept.size).toBe(65_536);
    expect(Math.max(...kept.keys())).toBe(65_535);
  });

  const bad = [Number.NaN, Number.POSITIVE_INFINITY];
  const ways: readonly [string, (logits: Float32Array) => unknown][] = [
    ['greedy', likeliestToken],
    ['whole', (logits) => distributionOf(logits, off)],
    ['top-k', (logits) => distributionOf(logits, { ...off, topK: 3 })],
    ['top-p', (logits) => distributionOf(logits, { ...off, topP: 0.5 })],
  ];
  test.each(ways)('%s refuses NaN, infinity and a vocabulary without a chance', (_, way) => {
    for (const value of bad) {
      for (let at = 0; at < 9; at++) {
        const logits = Float32Array.from({ length: 9 }, (__, i) => (i === at ? value : i));
        expect(() => way(logits)).toThrow(TercetError);
      }
    }
    expect(() => way(new Float32Array(9).fill(Number.NEGATIVE_INFINITY))).toThrow('logits_not_finite');
    expect(() => way(new Float32Array(9).fill(Number.NaN))).toThrow('logits_not_finite');
  });
});

describe('drawCandidate', () => {
  test('gives each token the share of the unit interval that its weight has', () => {
    const out = candidatesFor(3);
    out.tokenIds.set([7, 8, 9]);
    out.weights.set([1, 2, 1]);
    out.count = 3;
    out.total = 4;
    expect([0, 0.24, 0.25, 0.74, 0.75, 0.9999999].map((uniform) => drawCandidate(out, uniform))).toEqual([
      7, 7, 8, 8, 9, 9,
    ]);
  });
});
