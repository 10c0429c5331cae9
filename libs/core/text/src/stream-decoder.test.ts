import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { StreamDecoder } from './stream-decoder.js';

/** A token is one byte. */
const bytes = { bytesOf: (tokenId: number) => Uint8Array.of(tokenId) };

describe('StreamDecoder', () => {
  test('a character appears with its last byte', () => {
    const decoder = new StreamDecoder(bytes);
    expect([...new TextEncoder().encode('a🙂')].map((byte) => decoder.push(byte))).toEqual(['a', '', '', '', '🙂']);
  });

  test('any bytes, valid or not, decode as they would at once', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (array) => {
        const decoder = new StreamDecoder(bytes);
        const text = [...array].map((byte) => decoder.push(byte)).join('') + decoder.end();
        expect(text).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(array));
      }),
    );
  });
});
