import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { uniformAt } from './philox.js';
import { slowDistribution } from './testing.js';
import { drawFromAll } from './whole-draw.js';

/** Chi-square of draws against exact shares; rare tokens count as one. */
function chiSquareOf(logits: Float32Array, temperature: number, draws: number): { value: number; freedom: number } {
  const shares = slowDistribution(logits, { temperature, topK: 0, topP: 1, minP: 0 });
  const counts = new Map<number, number>();
  for (let position = 0; position < draws; position++) {
    const tokenId = drawFromAll(logits, { temperature, uniformOf: (index) => uniformAt(11n, position, index) });
    counts.set(tokenId, (counts.get(tokenId) ?? 0) + 1);
  }
  let value = 0;
  let freedom = -1;
  const rare = { share: 0, count: 0 };
  const add = (share: number, count: number) => {
    value += (count - share * draws) ** 2 / (share * draws);
    freedom++;
  };
  for (const [tokenId, share] of shares) {
    const count = counts.get(tokenId) ?? 0;
    if (share * draws >= 8) add(share, count);
    else {
      rare.share += share;
      rare.count += count;
    }
  }
  if (rare.share * draws >= 8) add(rare.share, rare.count);
  return { value, freedom };
}

describe('drawFromAll', () => {
  const random = new Prng(3);
  const cases = [
    { name: 'flat', logits: new Float32Array(50), temperature: 1 },
    { name: 'spread', logits: Float32Array.from({ length: 200 }, () => random.nextFloat() * 9 - 4), temperature: 1 },
    { name: 'hot', logits: Float32Array.from({ length: 100 }, () => random.nextFloat() * 30), temperature: 12 },
    { name: 'cold', logits: Float32Array.from({ length: 100 }, () => random.nextFloat() * 3), temperature: 0.25 },
    { name: 'within one bucket', logits: Float32Array.from({ length: 20 }, (_, i) => i * 0.006), temperature: 1 },
    {
      name: 'masked',
      logits: Float32Array.of(1, Number.NEGATIVE_INFINITY, 2, 1.5, Number.NEGATIVE_INFINITY),
      temperature: 1,
    },
  ];
  test.each(cases)('draws $name logits as often as their probability says', ({ logits, temperature }) => {
    const { value, freedom } = chiSquareOf(logits, temperature, 8_000);
    // 4.5 standard deviations above the mean of the chi-square distribution.
    expect(value).toBeLessThan(freedom + 4.5 * Math.sqrt(2 * Math.max(1, freedom)));
  });

  test('refuses what is no distribution', () => {
    const draw = { temperature: 1, uniformOf: () => 0.5 };
    expect(() => drawFromAll(Float32Array.of(1, Number.NaN), draw)).toThrow('logits_not_finite');
    expect(() => drawFromAll(Float32Array.of(Number.NEGATIVE_INFINITY), draw)).toThrow('logits_not_finite');
  });

  test('ends with the extremes of the uniform numbers', () => {
    for (const uniform of [0, 1 - 2 ** -53]) {
      expect(drawFromAll(Float32Array.of(0, 3, 3, -50), { temperature: 1, uniformOf: () => uniform })).toBeLessThan(3);
    }
  });
});
