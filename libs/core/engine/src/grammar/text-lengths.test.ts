import { expect, test } from '@jest/globals';
import { patternText } from './pattern.js';
import { lengthsOf } from './text-lengths.js';

test.each([
  ['^$', 0, 0],
  ['^abc$', 3, 3],
  ['^a{2,5}(bc|d)?$', 2, 7],
  ['^(a|bc){3}$', 3, 6],
  ['^(a?){3}$', 0, 3],
  ['^a+$', 1, Number.POSITIVE_INFINITY],
  ['a', 1, Number.POSITIVE_INFINITY],
  ['^(a{1000}){10}$', 10_000, 10_000],
])('%s has texts of %d to %d characters', (pattern, min, max) => {
  expect(lengthsOf(patternText(pattern))).toEqual({ min, max });
});
