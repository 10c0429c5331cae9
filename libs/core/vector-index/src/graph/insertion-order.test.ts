import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { insertionOrder, localDimensionality } from './insertion-order.js';

describe('an insertion order', () => {
  test.each([
    { order: { kind: 'given' } as const, places: [0, 1, 2, 3] },
    { order: { kind: 'ascending', keys: [3, 1, 2, 1] } as const, places: [1, 3, 2, 0] },
    { order: { kind: 'descending', keys: [3, 1, 2, 1] } as const, places: [0, 2, 1, 3] },
  ])('$order.kind', ({ order, places }) => {
    expect([...insertionOrder(4, order)]).toEqual(places);
  });

  test('a random one has every place once, and is the same for a seed', () => {
    const places = insertionOrder(100, { kind: 'random', seed: 3 });
    expect([...places].sort((a, b) => a - b)).toEqual([...insertionOrder(100, { kind: 'given' })]);
    expect(places).toEqual(insertionOrder(100, { kind: 'random', seed: 3 }));
    expect(places).not.toEqual(insertionOrder(100, { kind: 'random', seed: 4 }));
  });
});

describe('local dimensionality', () => {
  test.each([1, 4, 12])('of points spread evenly in %p dimensions is about that', (dimensions) => {
    const prng = new Prng(5);
    const radii = Float32Array.from({ length: 2000 }, () => prng.nextFloat() ** (1 / dimensions)).sort();
    expect(localDimensionality(radii) / dimensions).toBeCloseTo(1, 1);
  });

  test('of copies of one point is none', () => {
    expect(localDimensionality(new Float32Array(10))).toBe(0);
  });
});
