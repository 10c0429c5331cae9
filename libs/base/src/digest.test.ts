import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { digestOf } from './digest.js';

describe('digestOf', () => {
  test('is a whole number of at most 53 bits, and the same for equal texts', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.maxSafeNat(), (text, after) => {
        const digest = digestOf(text, after);
        expect(Number.isSafeInteger(digest) && digest >= 0).toBe(true);
        expect(digestOf(`${text}`, after)).toBe(digest);
      }),
    );
  });

  test('stays what it is: processes of two versions compare digests', () => {
    expect([digestOf(''), digestOf('a'), digestOf('a', digestOf('a'))]).toEqual(known);
  });

  test('texts that differ in one bit, or come after others, are far apart', () => {
    const texts = Array.from({ length: 2 ** 16 }, (_, i) => String.fromCharCode(i));
    const digests = texts.flatMap((text) => [digestOf(text), digestOf(text, 1), digestOf(text, 2 ** 40)]);
    expect(new Set(digests).size).toBe(digests.length);
    const halves = digests.map((digest) => digest % 2 ** 20);
    expect(new Set(halves).size).toBeGreaterThan(0.9 * expectedDistinct(digests.length, 2 ** 20));
  });
});

const known = [2590427638985182, 2299257129273147, 1107601561186483];

/** Of so many draws from so many values. */
function expectedDistinct(draws: number, values: number): number {
  return values * (1 - (1 - 1 / values) ** draws);
}
