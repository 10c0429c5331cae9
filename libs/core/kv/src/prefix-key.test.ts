import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type MediaKey, prefixKeyOf } from './prefix-key.js';
import { blockTokens } from './slot-pool.js';

const tokenIds = Uint32Array.from({ length: 48 }, (_, i) => i * 70_001);
const image: MediaKey = { start: 20, tokens: 20, contentKey: 'cat' };

describe('prefixKeyOf', () => {
  test.each([
    { name: 'another salt shares nothing', other: { salt: 'b' }, shared: 0 },
    {
      name: 'another image shares the blocks before it',
      other: { media: [{ ...image, contentKey: 'dog' }] },
      shared: 1,
    },
    { name: 'no image shares the blocks before it', other: { media: [] }, shared: 1 },
    {
      name: 'an image that begins later shares the blocks before it',
      other: { media: [{ ...image, start: 21 }] },
      shared: 1,
    },
    { name: 'a longer image differs from where it begins', other: { media: [{ ...image, tokens: 24 }] }, shared: 1 },
    { name: 'rows of other kernels share nothing', other: { kernelAt: () => 1 }, shared: 0 },
    { name: 'rows of other kernels from a block on share those before', other: { kernelAt: late }, shared: 1 },
    { name: 'another token in the last block shares the others', other: { tokenIds: changed(47) }, shared: 2 },
    { name: 'the same prompt shares all', other: {}, shared: 3 },
  ])('$name', ({ other, shared }) => {
    const source = { tokenIds, media: [image], kernelAt: () => 0, salt: 'a' };
    expect(sharedLabels(prefixKeyOf(source), prefixKeyOf({ ...source, ...other }))).toBe(shared);
  });

  test('a block that is not full has no label', () => {
    expect(prefixKeyOf({ tokenIds: tokenIds.subarray(0, 47), media: [], kernelAt: () => 0, salt: '' })).toHaveLength(2);
    expect(prefixKeyOf({ tokenIds: tokenIds.subarray(0, 15), media: [], kernelAt: () => 0, salt: '' })).toHaveLength(0);
  });

  test('shared labels are exactly the equal leading blocks', () => {
    const prompt = fc.array(
      fc.integer({ min: 0, max: 2 }).map((n) => n * 0x8000_0000),
      { minLength: 0, maxLength: 64 },
    );
    fc.assert(
      fc.property(prompt, prompt, fc.nat({ max: 64 }), (a, b, common) => {
        const left = Uint32Array.from(a);
        const right = Uint32Array.from([...a.slice(0, common), ...b.slice(common)]);
        const keys = [left, right].map((ids) =>
          prefixKeyOf({ tokenIds: ids, media: [], kernelAt: () => 0, salt: 's' }),
        );
        let equal = 0;
        while (equal < Math.min(left.length, right.length) && left[equal] === right[equal]) equal++;
        expect(sharedLabels(keys[0] ?? [], keys[1] ?? [])).toBe(Math.floor(equal / blockTokens));
      }),
    );
  });
});

function sharedLabels(a: readonly string[], b: readonly string[]): number {
  let shared = 0;
  while (shared < Math.min(a.length, b.length) && a[shared] === b[shared]) shared++;
  return shared;
}

function late(start: number): number {
  return start < blockTokens ? 0 : 1;
}

function changed(index: number): Uint32Array {
  return tokenIds.map((tokenId, i) => (i === index ? tokenId + 1 : tokenId));
}
