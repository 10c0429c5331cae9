import { expect, test } from '@jest/globals';
import { TercetError } from '@tercet/contracts';
import fc from 'fast-check';
import { ruleOf } from './automaton.js';
import { determinised } from './determinise.js';
import { intersectionOf } from './intersection.js';
import { quoted } from './json-text.js';
import { patternText } from './pattern.js';
import { jsonTextOf } from './string-text.js';
import { allows } from './testing.js';

const atom = fc.constantFrom(
  ...['a', 'b', 'é', '😀', '.', '\\d', '\\w', '\\W', '\\s', '\\S', '\\n', '\\x41', '\\u00e9', '\\u{1f600}', '"'],
  ...['[a-c]', '[^a]', '[^\\s"]', '[\\d_-]', '[-a]', '[\\]\\\\]', '\\\\', '\\/', '[\\u{1f600}-\\u{1f610}]'],
);
const quantifier = fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{1,}', '{0,2}', '+?', '{2,3}?');
const { pattern: anyPattern } = fc.letrec<{ pattern: string; body: string; part: string }>((tie) => ({
  part: fc.oneof(
    { depthSize: 'small' },
    fc.tuple(atom, quantifier).map(join),
    fc.tuple(tie('body'), quantifier).map(group),
  ),
  body: fc.oneof(fc.array(tie('part'), { maxLength: 4 }).map(join), fc.tuple(tie('part'), tie('part')).map(either)),
  pattern: fc
    .tuple(fc.constantFrom('', '^'), fc.array(tie('part'), { maxLength: 4 }).map(join), fc.constantFrom('', '$'))
    .map(join),
}));

function join(parts: readonly string[]): string {
  return parts.join('');
}

function group([body, times]: readonly [string, string]): string {
  return `(?:${body})${times}`;
}

function either(parts: readonly string[]): string {
  return parts.join('|');
}

const anyText = fc
  .array(fc.constantFrom(...'aabbc01 _-A"\\\n\t\u0000\u000b\u2028é😀😃]'), { maxLength: 6 })
  .map((characters) => characters.join(''));

/** Patterns whose repeats multiply may be refused while they are followed, never matched wrongly. */
function unlessRefused<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    fc.pre(!(error instanceof TercetError && error.code === 'grammar_unsupported'));
    throw error;
  }
}

test('a pattern takes the strings that the platform finds it in', () => {
  fc.assert(
    fc.property(anyPattern, fc.array(anyText, { minLength: 8, maxLength: 8 }), (pattern, texts) => {
      const expression = new RegExp(pattern, 'u');
      const rule = ruleOf(quoted(jsonTextOf(determinised(patternText(pattern)))));
      const found = unlessRefused(() => texts.map((text) => [text, allows(rule, JSON.stringify(text))]));
      expect(found).toEqual(texts.map((text) => [text, expression.test(text)]));
    }),
    { numRuns: 400 },
  );
});

test('an intersection takes what both take', () => {
  fc.assert(
    fc.property(anyPattern, anyPattern, fc.array(anyText, { minLength: 8, maxLength: 8 }), (a, b, texts) => {
      const both = intersectionOf(determinised(patternText(a)), determinised(patternText(b)));
      const rule = both === undefined ? undefined : ruleOf(quoted(jsonTextOf(both)));
      const found = unlessRefused(() =>
        texts.map((text) => [text, rule !== undefined && allows(rule, JSON.stringify(text))]),
      );
      expect(found).toEqual(
        texts.map((text) => [text, new RegExp(a, 'u').test(text) && new RegExp(b, 'u').test(text)]),
      );
    }),
    { numRuns: 80 },
  );
});

test('a pattern whose subsets are too many stays as it is, and still matches', () => {
  const pattern = '^(a|b)*a(a|b){24}$';
  const rule = ruleOf(quoted(jsonTextOf(determinised(patternText(pattern)))));
  for (const text of [`a${'b'.repeat(24)}`, `ba${'a'.repeat(24)}`, `b${'b'.repeat(24)}`, 'a']) {
    expect([text, allows(rule, `"${text}"`)]).toEqual([text, new RegExp(pattern, 'u').test(text)]);
  }
});
