import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readDataUrl } from './data-url.js';

const picture = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0xff, 0x00, 0x2c]);

test.each([
  ['base64', 'data:image/png;base64,iVBOR/8ALA=='],
  ['base64 without padding', 'data:image/png;base64,iVBOR/8ALA'],
  ['base64 of the URL alphabet', 'data:image/png;base64,iVBOR_8ALA'],
  ['base64 with line breaks', 'data:image/png;base64,iVBO\r\nR/8A\nLA=='],
  ['base64 with escapes', 'data:image/png;base64,iVBOR%2F8ALA%3D%3D'],
  ['capital letters', 'DATA:IMAGE/PNG;BASE64,iVBOR/8ALA=='],
  ['no type', 'data:;base64,iVBOR/8ALA=='],
  ['parameters', 'data:image/png;charset=utf-8;base64,iVBOR/8ALA=='],
  ['percent-encoding', 'data:image/png,%89PNG%ff%00,'],
  ['a fragment', 'data:image/png;base64,iVBOR/8ALA==#left'],
])('%s is read', (_name, url) => {
  expect(Array.from(readDataUrl(url, 7))).toEqual(Array.from(picture));
});

describe('a damaged data URL is media_invalid', () => {
  test.each([
    ['no comma', 'data:image/png;base64'],
    ['a letter that is not base64', 'data:image/png;base64,iVBO!/8ALA=='],
    ['padding in the middle', 'data:image/png;base64,iV==BOR/'],
    ['one letter too many', 'data:image/png;base64,iVBOR'],
    ['a broken escape', 'data:image/png,%8'],
    ['an escape that is not hexadecimal', 'data:image/png,%zz'],
  ])('%s', (_name, url) => {
    expect(() => readDataUrl(url, 100)).toThrow(expect.objectContaining({ code: 'media_invalid' }));
  });
});

test.each([
  ['base64', 'data:image/png;base64,iVBOR/8ALA=='],
  ['percent-encoding', 'data:image/png,%89PNG%ff%00,'],
  ['a text so long that it is not decoded', `data:,${'a'.repeat(10_000)}`],
])('%s over the limit is media_too_large', (_name, url) => {
  expect(() => readDataUrl(url, 6)).toThrow(expect.objectContaining({ code: 'media_too_large' }));
});

test('any bytes come back as they were, in either encoding', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const base64 = `data:image/png;base64,${Buffer.from(bytes).toString('base64')}`;
      const percent = `data:image/png,${Array.from(bytes, (b) => `%${b.toString(16).padStart(2, '0')}`).join('')}`;
      expect(Array.from(readDataUrl(base64, 300))).toEqual(Array.from(bytes));
      expect(Array.from(readDataUrl(percent, 300))).toEqual(Array.from(bytes));
    }),
  );
});
