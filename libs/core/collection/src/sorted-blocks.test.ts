import { expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { SortedBlocks } from './sorted-blocks.js';

/** Enough pairs that blocks are cut, with keys that stand there often. */
test('pairs are in order, counted and found as in a sorted list', () => {
  const random = new Prng(7);
  const blocks = new SortedBlocks<number>();
  const model = new Map<number, number>();
  for (let i = 0; i < 6000; i++) {
    const slot = random.nextBelow(3000);
    const before = model.get(slot);
    if (before !== undefined) blocks.delete(before, slot);
    model.delete(slot);
    if (random.nextBelow(4) === 0) continue;
    const key = random.nextBelow(100);
    blocks.add(key, slot);
    model.set(slot, key);
  }
  const sorted = [...model]
    .map(([slot, key]) => [key, slot])
    .toSorted(([a = 0, s = 0], [b = 0, t = 0]) => a - b || s - t);
  expect(blocks.size).toBe(sorted.length);
  expect([...blocks.from()]).toEqual(sorted);
  for (const key of [-1, 0, 37, 99, 100]) {
    expect([...blocks.from(key)]).toEqual(sorted.filter(([each = 0]) => each >= key));
    expect([...blocks.from(key, false)]).toEqual(sorted.filter(([each = 0]) => each > key));
    expect(blocks.countBelow(key, false)).toBe(sorted.filter(([each = 0]) => each < key).length);
    expect(blocks.countBelow(key, true)).toBe(sorted.filter(([each = 0]) => each <= key).length);
  }
});

test('what is not there is deleted without effect', () => {
  const blocks = new SortedBlocks<string>();
  blocks.delete('a', 1);
  blocks.add('b', 1);
  blocks.delete('b', 2);
  expect([...blocks.from()]).toEqual([['b', 1]]);
});
