import {
  anyOf,
  byteOf,
  call,
  declareRule,
  type Fragment,
  literal,
  nothing,
  optional,
  type Rule,
  repeat,
  ruleOf,
  sequence,
} from './automaton.js';
import { type CodePoints, codePointsOf, utf8Of } from './code-points.js';

/** Rules of JSON text that every grammar shares, RFC 8259, kept finite where a model could go on for ever. */

const forever = Number.POSITIVE_INFINITY;
const digit = byteOf(0x30, 0x39);
const hex = anyOf(digit, byteOf(0x41, 0x46), byteOf(0x61, 0x66));

/** Between tokens of JSON: nothing, a space, or a line break with up to 20 spaces or tabs. */
export const blank: Fragment = call(
  ruleOf(
    optional(
      anyOf(literal(' '), sequence(literal('\n'), repeat(anyOf(literal(' '), literal('\t')), { min: 0, max: 20 }))),
    ),
  ),
);

/** Characters that stand for themselves in a JSON string, but for the two line separators that patterns set apart. */
export const plainCodePoints: CodePoints = codePointsOf([0x20, 0x21], [0x23, 0x5b], [0x5d, 0x2027], [0x202a, 0x10ffff]);
export const unescaped: CodePoints = codePointsOf([0x20, 0x21], [0x23, 0x5b], [0x5d, 0x10ffff]);

/** One character of a string that needs no escape. */
export const plainCharacter: Fragment = utf8Of(unescaped);

/** One character, escaped or not. Half a surrogate pair is none. */
const character: Fragment = anyOf(plainCharacter, sequence(literal('\\'), anyOf(shortEscape(), unicodeEscape())));
const characterCall = call(ruleOf(character));

/** Text within quotes of `min` to `max` characters, counted as code points. */
export function stringOf({ min, max }: { readonly min: number; readonly max: number }): Fragment {
  const part = max === forever && min === 0 ? character : characterCall;
  return quoted(repeat(part, { min, max }, (count) => max - count));
}

export const anyString: Fragment = call(ruleOf(stringOf({ min: 0, max: forever })));

export function quoted(content: Fragment): Fragment {
  return sequence(literal('"'), content, literal('"'));
}

/** Digits are bounded: 20 before and after the point, and an exponent that every reader can hold. */
const wholeNumber = sequence(
  optional(literal('-')),
  anyOf(literal('0'), sequence(byteOf(0x31, 0x39), repeat(digit, { min: 0, max: 19 }))),
);
export const anyInteger: Fragment = call(ruleOf(wholeNumber));
export const anyNumber: Fragment = call(
  ruleOf(
    sequence(
      wholeNumber,
      optional(sequence(literal('.'), repeat(digit, { min: 1, max: 20 }))),
      optional(
        sequence(
          anyOf(literal('e'), literal('E')),
          optional(anyOf(literal('+'), literal('-'))),
          repeat(digit, { min: 1, max: 2 }),
        ),
      ),
    ),
  ),
);
export const anyBoolean: Fragment = anyOf(literal('true'), literal('false'));
export const anyNull: Fragment = literal('null');

const value = declareRule();
export const anyValue: Fragment = call(value.rule);

/** `key : value`. */
export function member(key: Fragment, content: Fragment): Fragment {
  return sequence(key, blank, literal(':'), blank, content);
}

/** Items with commas between them, `min` to `max` of them, in brackets. */
export function listOf(item: Fragment, { min, max }: { readonly min: number; readonly max: number }): Fragment {
  return sequence(literal('['), blank, commaList(item, { min, max }), blank, literal(']'));
}

export function commaList(item: Fragment, { min, max }: { readonly min: number; readonly max: number }): Fragment {
  if (max === 0) return nothing;
  const rest = repeat(sequence(comma, item), { min: Math.max(0, min - 1), max: max - 1 });
  const some = sequence(item, rest);
  return min === 0 ? optional(some) : some;
}

export const comma: Fragment = sequence(blank, literal(','), blank);

export const anyObject: Fragment = call(
  ruleOf(
    sequence(
      literal('{'),
      blank,
      commaList(member(anyString, anyValue), { min: 0, max: forever }),
      blank,
      literal('}'),
    ),
  ),
);
export const anyArray: Fragment = call(ruleOf(listOf(anyValue, { min: 0, max: forever })));
value.fill(anyOf(anyObject, anyArray, anyString, anyNumber, anyBoolean, anyNull));

/** Any JSON object: what "JSON mode" means. */
export const jsonObjectRule: Rule = ruleOf(anyObject);

function shortEscape(): Fragment {
  return anyOf(...Array.from('"\\/bfnrt', (letter) => literal(letter)));
}

function unicodeEscape(): Fragment {
  const two = sequence(hex, hex);
  const d = anyOf(literal('d'), literal('D'));
  const notD = anyOf(digit, byteOf(0x41, 0x43), byteOf(0x61, 0x63), byteOf(0x45, 0x46), byteOf(0x65, 0x66));
  const high = sequence(d, anyOf(byteOf(0x38, 0x39), byteOf(0x41, 0x42), byteOf(0x61, 0x62)), two);
  const low = sequence(d, anyOf(byteOf(0x43, 0x46), byteOf(0x63, 0x66)), two);
  return sequence(
    literal('u'),
    anyOf(sequence(notD, hex, two), sequence(d, byteOf(0x30, 0x37), two), sequence(high, literal('\\u'), low)),
  );
}
