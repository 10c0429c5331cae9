import { describe, expect, test } from '@jest/globals';
import { philox4x32, uniformAt } from './philox.js';

describe('philox4x32', () => {
  // Known answers that the authors publish with Random123 ("kat_vectors", philox4x32 10).
  const pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0] as const;
  const ones = 0xffffffff;
  test.each([
    { counter: [0, 0, 0, 0], key: [0, 0] as const, words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    {
      counter: [ones, ones, ones, ones],
      key: [ones, ones] as const,
      words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: pi.slice(0, 4),
      key: [pi[4], pi[5]] as const,
      words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ])('gives the published words for $counter', ({ counter, key, words }) => {
    const out = Uint32Array.from(counter);
    philox4x32(key, out);
    expect([...out]).toEqual(words);
  });
});

describe('uniformAt', () => {
  test('depends on seed and position alone', () => {
    expect(uniformAt(7n, 3)).toBe(uniformAt(7n, 3));
    expect(uniformAt(7n, 4)).not.toBe(uniformAt(7n, 3));
    expect(uniformAt(8n, 3)).not.toBe(uniformAt(7n, 3));
    expect(uniformAt(7n + (1n << 32n), 3)).not.toBe(uniformAt(7n, 3));
    expect(uniformAt(-1n, 3)).toBe(uniformAt(0xffffffffffffffffn, 3));
  });

  test('fills [0, 1) evenly over positions', () => {
    const bins = new Array<number>(64).fill(0);
    const draws = 64_000;
    for (let position = 0; position < draws; position++) bins[Math.floor(uniformAt(42n, position) * 64)]!++;
    const chiSquare = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    // 63 degrees of freedom: 99.9 % lie below 103.4.
    expect(chiSquare).toBeLessThan(103.4);
  });
});
