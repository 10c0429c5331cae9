import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ruleOf } from './automaton.js';
import { codePointsOf, commonCodePoints, complementOf, utf8Of } from './code-points.js';
import { allows } from './testing.js';

const borders = [0, 0x20, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x3ffff, 0x10ffff];
const anyCodePoint = fc.oneof(fc.constantFrom(...borders), fc.nat(0x10ffff)).filter((at) => at < 0xd800 || at > 0xdfff);
const anySet = fc
  .array(fc.tuple(anyCodePoint, anyCodePoint), { minLength: 1, maxLength: 4 })
  .map((pairs) => codePointsOf(...pairs.map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)));

function has(set: ReturnType<typeof codePointsOf>, at: number): boolean {
  return set.some(([first, last]) => first <= at && at <= last);
}

describe('code points', () => {
  test('a set as UTF-8 takes its characters and no others', () => {
    fc.assert(
      fc.property(anySet, fc.array(anyCodePoint), (set, probes) => {
        const rule = ruleOf(utf8Of(set));
        for (const at of [...probes, ...borders, ...set.flat().flatMap((one) => [one - 1, one, one + 1])]) {
          if (at < 0 || at > 0x10ffff || (at >= 0xd800 && at <= 0xdfff)) continue;
          expect([at, allows(rule, String.fromCodePoint(at))]).toEqual([at, has(set, at)]);
        }
      }),
    );
  });

  test('complement and intersection are those of sets', () => {
    fc.assert(
      fc.property(anySet, anySet, anyCodePoint, (a, b, at) => {
        expect(has(complementOf(a), at)).toBe(!has(a, at));
        expect(has(commonCodePoints(a, b), at)).toBe(has(a, at) && has(b, at));
      }),
    );
  });
});
