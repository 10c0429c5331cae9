import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cutRegion, type RgbRegion, resizeWindow, sourceRect } from './lanczos.js';

const golden = JSON.parse(readFileSync(new URL('./testdata/golden.json', import.meta.url), 'utf8')) as {
  resizes: [number, number, number, number, string][];
};

test('resized bytes equal those of Pillow', () => {
  for (const [width, height, toWidth, toHeight, digest] of golden.resizes) {
    const to = { width: toWidth, height: toHeight };
    const { data } = resizeWindow(pattern(width, height), to, { x: 0, y: 0, ...to });
    const actual = createHash('sha256').update(data).digest('hex');
    expect([width, height, toWidth, toHeight, actual]).toEqual([width, height, toWidth, toHeight, digest]);
  }
});

test('a window has the same bytes alone as in the whole image', () => {
  const edge = fc.integer({ min: 1, max: 60 });
  const share = fc.double({ min: 0, max: 0.999, noNaN: true });
  fc.assert(
    fc.property(edge, edge, edge, edge, fc.tuple(share, share, share, share), (w, h, width, height, shares) => {
      const image = pattern(w, h);
      const to = { width, height };
      const x = Math.floor(shares[0] * width);
      const y = Math.floor(shares[1] * height);
      const window = {
        x,
        y,
        width: 1 + Math.floor(shares[2] * (width - x)),
        height: 1 + Math.floor(shares[3] * (height - y)),
      };
      const needed = sourceRect({ width: w, height: h }, to, window);
      const part = { ...image, ...needed, data: cutRegion(image, needed) };
      const whole = resizeWindow(image, to, { x: 0, y: 0, ...to });
      expect(resizeWindow(part, to, window).data).toEqual(cutRegion(whole, window));
    }),
  );
});

/** As `resize_cases` of testdata/make_images.py. */
function pattern(width: number, height: number): RgbRegion {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < 3; k++) {
        const value = Math.floor((x * 37 + y * 59 + k * 101) ** 2 / 7) + (x ^ y) * 91 * (k + 1);
        data[(y * width + x) * 3 + k] = value % 256;
      }
    }
  }
  return { data, x: 0, y: 0, width, height, imageWidth: width, imageHeight: height };
}
