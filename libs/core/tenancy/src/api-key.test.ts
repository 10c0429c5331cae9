import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatApiKey, idBytes, isApiKey, keyIdOf, secretBytes } from './api-key.js';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const anyParts = fc.record({ id: bytes(idBytes), secret: bytes(secretBytes) });
const full = { id: new Uint8Array(idBytes).fill(255), secret: new Uint8Array(secretBytes).fill(255) };

describe('the text of a key', () => {
  // Made by another program: base 62 of the numbers, and zlib's crc32 of what stands before the checksum.
  test('is as written down', () => {
    const zeros = { id: new Uint8Array(idBytes), secret: new Uint8Array(secretBytes) };
    expect(formatApiKey(zeros)).toBe(`tck_${'0'.repeat(11)}_${'0'.repeat(43)}2UZEiK`);
    expect(formatApiKey(full)).toBe('tck_LygHa16AHYF_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp10G9mxz');
  });

  test('has one length, and says which key it is', () =>
    fc.assert(
      fc.property(anyParts, ({ id, secret }) => {
        const key = formatApiKey({ id, secret });
        expect(key).toHaveLength(65);
        expect(isApiKey(key)).toBe(true);
        expect(keyIdOf(key)).toBe(key.slice(4, 15));
      }),
    ));

  test('differs where any part differs', () =>
    fc.assert(
      fc.property(anyParts, anyParts, (a, b) => {
        const same = `${a.id}/${a.secret}` === `${b.id}/${b.secret}`;
        expect(formatApiKey(a) === formatApiKey(b)).toBe(same);
      }),
    ));

  test('with one character changed, cut or added is none', () =>
    fc.assert(
      fc.property(anyParts, fc.nat(64), fc.constantFrom('0', 'z', '_', ' '), (parts, at, character) => {
        const key = formatApiKey(parts);
        fc.pre(key[at] !== character);
        expect(isApiKey(key.slice(0, at) + character + key.slice(at + 1))).toBe(false);
        expect(isApiKey(key.slice(0, at) + key.slice(at + 1))).toBe(false);
        expect(isApiKey(`${key}${character}`)).toBe(false);
      }),
    ));
});
