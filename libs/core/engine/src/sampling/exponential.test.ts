import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { exponential } from './exponential.js';

test('exponential is within rounding of the platform’s', () => {
  fc.assert(
    fc.property(fc.double({ min: -44, max: 0, noNaN: true }), (x) => {
      expect(Math.abs(exponential(x) / Math.exp(x) - 1)).toBeLessThan(2e-14);
    }),
    { numRuns: 20_000 },
  );
  expect(exponential(0)).toBe(1);
  expect(exponential(-0)).toBe(1);
});
