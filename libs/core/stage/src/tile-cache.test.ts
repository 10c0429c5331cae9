import { describe, expect, test } from '@jest/globals';
import { mediaDigestOf } from '@tercet/media';
import fc from 'fast-check';
import { TileCache, type TileChange } from './tile-cache.js';

const rowsOf = (length: number, value = 1) => new Float32Array(length).fill(value);

describe('TileCache', () => {
  test('gives a copy of what was put', () => {
    const cache = new TileCache(1000);
    const rows = rowsOf(4, 2);
    cache.put('a', rows);
    rows.fill(9);
    expect(cache.get('a')).toEqual(rowsOf(4, 2));
    expect(cache.get('b')).toBeUndefined();
  });

  test('the least recently used goes first', () => {
    const cache = new TileCache(3 * 16);
    for (const key of ['a', 'b', 'c']) cache.put(key, rowsOf(4));
    cache.get('a');
    cache.put('d', rowsOf(4));
    expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key) !== undefined)).toEqual([true, false, true, true]);
  });

  test('what is larger than all of it is not kept, and throws nothing out', () => {
    const cache = new TileCache(16);
    cache.put('a', rowsOf(4));
    cache.put('b', rowsOf(5));
    expect([cache.get('a') !== undefined, cache.get('b'), cache.bytes]).toEqual([true, undefined, 16]);
  });

  test('tells what came and what went for it, and nothing when a tile is put again', () => {
    const changes: TileChange[] = [];
    const cache = new TileCache(2 * 16, (change) => changes.push(change));
    for (const key of ['a', 'b', 'b']) cache.put(key, rowsOf(4));
    cache.put('c', rowsOf(8));
    cache.put('d', rowsOf(9));
    const [a, b, c] = ['a', 'b', 'c'].map(mediaDigestOf) as [number, number, number];
    expect(changes).toEqual([
      { stored: [a], evicted: [] },
      { stored: [b], evicted: [] },
      { stored: [c], evicted: [a, b] },
    ]);
  });

  test('holds at most its bytes, and as many as its entries have', () => {
    const step = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e'), length: fc.nat(12), isGet: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const cache = new TileCache(100);
        const lengths = new Map<string, number>();
        for (const { key, length, isGet } of steps) {
          if (isGet) cache.get(key);
          else {
            cache.put(key, rowsOf(length));
            if (length * 4 <= 100) lengths.set(key, length);
          }
          const held = [...lengths].filter(([each]) => cache.get(each) !== undefined);
          const bytes = held.reduce((sum, [each]) => sum + (cache.get(each)?.byteLength ?? 0), 0);
          expect(cache.bytes).toBe(bytes);
          expect(bytes).toBeLessThanOrEqual(100);
        }
      }),
    );
  });
});
