import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { IndexedHeap } from './indexed-heap.js';

test('the first of the least keys is found whatever changes', () => {
  const change = fc.record({ item: fc.nat(9), key: fc.integer({ min: -4, max: 4 }) });
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const heap = new IndexedHeap(10, 0);
      const keys = Array<number>(10).fill(0);
      for (const { item, key } of changes) {
        heap.set(item, key);
        keys[item] = key;
        expect([heap.least, heap.leastKey]).toEqual([keys.indexOf(Math.min(...keys)), Math.min(...keys)]);
        expect(heap.key(item)).toBe(key);
      }
    }),
  );
});
