import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ruleOf } from './automaton.js';
import { type Bounds, numberWithin } from './decimal-range.js';
import { allows } from './testing.js';

const anyBound = fc.oneof(
  fc.integer({ min: -120, max: 120 }),
  fc.integer({ min: -12_000, max: 12_000 }).map((n) => n / 100),
  fc.double({ min: -1e4, max: 1e4, noNaN: true }),
);

function isWithin(value: number, { least, most, leastIsExclusive, mostIsExclusive }: Bounds): boolean {
  if (least !== undefined && (leastIsExclusive ? value <= least : value < least)) return false;
  return most === undefined || (mostIsExclusive ? value < most : value <= most);
}

test('takes the numbers within the bounds, to six digits after the point', () => {
  const anyBounds = fc.record(
    { least: anyBound, most: anyBound, leastIsExclusive: fc.boolean(), mostIsExclusive: fc.boolean() },
    { requiredKeys: [] },
  );
  const nudge = fc.constantFrom(0, 1e-6, -1e-6, 1, -1, 0.5, -10, 100, 0.999999);
  fc.assert(
    fc.property(anyBounds, fc.array(fc.tuple(anyBound, nudge, fc.nat(6))), fc.boolean(), (bounds, probes, isWhole) => {
      const fragment = numberWithin(bounds, isWhole ? 0 : 6);
      const rule = fragment === undefined ? undefined : ruleOf(fragment);
      const ends = [bounds.least, bounds.most].filter((end) => end !== undefined);
      const near = ends.flatMap((end) => [-1e-6, 0, 1e-6, 1, -1].map((by) => [end, by, 6] as const));
      for (const [base, by, digits] of [...probes, ...near]) {
        const text = (base + by).toFixed(isWhole ? 0 : digits);
        const isExpected = isWithin(Number(text), bounds) && !/^-0(\.0*)?$/.test(text);
        expect([text, rule !== undefined && allows(rule, text)]).toEqual([text, isExpected]);
      }
    }),
    { numRuns: 1000 },
  );
});
