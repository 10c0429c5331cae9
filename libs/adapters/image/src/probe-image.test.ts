import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { probeImage } from './index.js';

const folder = new URL('./testdata/', import.meta.url);
const limits = { bytesMax: 1e7, pixelsMax: 1e7, edgeMax: 10_000 };
const files = readdirSync(folder).filter((name) => /\.(png|jpg|webp|gif)$/.test(name));

test.each([
  ['rgb.png', 'png', 67, 51, 1],
  ['wide-420.jpg', 'jpeg', 200, 80, 1],
  ['progressive.jpg', 'jpeg', 67, 51, 1],
  ['cmyk.jpg', 'jpeg', 67, 51, 1],
  ['lossy.webp', 'webp', 200, 80, 1],
  ['lossy-alpha.webp', 'webp', 67, 51, 1],
  ['lossless-alpha.webp', 'webp', 67, 51, 1],
  ['moving.gif', 'gif', 67, 51, 1],
  ['turned-3.jpg', 'jpeg', 67, 51, 3],
  ['turned-6.jpg', 'jpeg', 51, 67, 6],
  ['turned.png', 'png', 51, 67, 6],
  ['turned.webp', 'webp', 51, 67, 6],
])('%s is %s of %i x %i, turned %i', (name, type, width, height, orientation) => {
  expect(probeImage(read(name), limits)).toEqual({ type, width, height, orientation });
});

describe('what is no image', () => {
  test.each([
    ['HTML', '<!doctype html><html><body>404</body></html>', 'a page of HTML, XML or SVG'],
    ['SVG', '  <svg xmlns="http://www.w3.org/2000/svg"/>', 'a page of HTML, XML or SVG'],
    ['JSON', '{"error":"no"}', 'JSON'],
    ['AVIF', '\0\0\0\x20ftypavif', 'a HEIF, AVIF or MP4 file'],
    ['TIFF', 'II*\0\x08\0\0\0', 'a TIFF file'],
    ['BMP', 'BM6\0\0\0', 'a BMP file'],
    ['PDF', '%PDF-1.7', 'a PDF file'],
    ['a WAVE file', 'RIFF\x24\0\0\0WAVEfmt ', 'an unknown type'],
    ['one byte', '\x89', 'an unknown type'],
  ])('%s is media_type_unsupported', (_name, text, looksLike) => {
    expect(failureOf(latin1(text))).toEqual(['media_type_unsupported', looksLike]);
  });

  test('an empty file is media_invalid', () => {
    expect(failureOf(new Uint8Array(0))).toEqual(['media_invalid', undefined]);
  });

  test.each([
    '\xff\xd8\xff\xd9',
    '\xff\xd8\xff\xda\0\x08',
    '\xff\xd8\xff\xe0\xff\xff',
    'GIF89a\x01',
    'RIFF    WEBPVP8 ',
  ])('a header without a size is media_invalid', (text) => {
    expect(failureOf(latin1(text))[0]).toBe('media_invalid');
  });
});

describe('limits', () => {
  test('a PNG that claims 100 megapixels is media_too_large', () => {
    const bomb = read('rgb.png').slice();
    new DataView(bomb.buffer).setUint32(16, 10_000);
    new DataView(bomb.buffer).setUint32(20, 10_000);
    expect(failureOf(bomb)[0]).toBe('media_too_large');
  });

  test('a JPEG that claims 4 gigapixels is media_too_large', () => {
    const bomb = read('wide-420.jpg').slice();
    const frame = bomb.findIndex((byte, i) => byte === 0xff && bomb[i + 1] === 0xc0);
    bomb.set([0xff, 0xff, 0xff, 0xff], frame + 5);
    expect(failureOf(bomb)[0]).toBe('media_too_large');
  });

  test.each([
    ['bytes', { bytesMax: read('rgb.png').length - 1 }],
    ['pixels', { pixelsMax: 67 * 51 - 1 }],
    ['length of an edge', { edgeMax: 66 }],
  ])('one over the limit of %s is media_too_large', (_name, change) => {
    expect(() => probeImage(read('rgb.png'), { ...limits, ...change })).toThrow(
      expect.objectContaining({ code: 'media_too_large' }),
    );
    expect(probeImage(read('rgb.png'), { bytesMax: 7716, pixelsMax: 67 * 51, edgeMax: 67 }).width).toBe(67);
  });
});

test('a file that is cut or flipped anywhere gives a size or a code, never another error', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...files),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat(),
      (name, share, seed) => {
        const bytes = read(name).slice();
        const at = seed % Math.min(200, bytes.length);
        bytes[at] = (bytes[at] as number) ^ (1 << (seed % 8));
        for (const candidate of [bytes, bytes.subarray(0, Math.floor(share * bytes.length)), bytes.subarray(0, at)]) {
          const [code] = failureOf(candidate);
          expect(code ?? 'none').toMatch(/^(none|media_invalid|media_too_large|media_type_unsupported)$/);
        }
      },
    ),
    { numRuns: 1000 },
  );
});

function failureOf(bytes: Uint8Array): [string | undefined, unknown] {
  try {
    probeImage(bytes, limits);
    return [undefined, undefined];
  } catch (error) {
    const { code, details } = error as { code?: string; details?: { looksLike?: string } };
    return [code ?? String(error), details?.looksLike];
  }
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

function read(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(name, folder)));
}
