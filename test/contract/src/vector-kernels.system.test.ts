import { describe, expect, test } from '@jest/globals';
import { tryVectorKernels } from '@tercet/kernels';
import { GraphIndex, portableVectorKernels } from '@tercet/vector-index';
import { clustered, everyCase, upTo, vectorKernelsContract } from './vector-kernels-contract.js';

vectorKernelsContract('portable kernels', portableVectorKernels, { count: 160, runs: 10 });

const native = tryVectorKernels();
if (native === undefined) {
  describe.skip('native vector kernels: not built, there is no C++ compiler', () => {
    test('skipped', () => undefined);
  });
} else {
  vectorKernelsContract(`native kernels (${native.variant})`, native, { count: 2000, runs: 60 });

  describe('the portable kernels are twins of the native ones', () => {
    test.each(everyCase())('$metric over $named: the same bytes, links and results', ({ metric, code }) => {
      const [dim, count, k] = [37, 120, 10];
      const options = {
        metric,
        dim,
        code,
        slotsMax: 512,
        efConstruction: 40,
        degreeMax: 12,
        degreeNew: 10,
        entriesMax: 16,
      };
      using ours = new GraphIndex(options, native);
      using twin = new GraphIndex(options, portableVectorKernels);
      // Small whole numbers: their sums are exact in any order.
      const whole = (seed: number, rows: number) =>
        clustered(seed, rows, dim).map((value) => Math.round(value * 9) || 1);
      const vectors = metric === 'cosine' ? clustered(1, count, dim) : whole(1, count);
      const exact = metric !== 'cosine' || code.kind === 'lvq';
      for (const index of [ours, twin]) {
        index.upsert(upTo(count), vectors);
        index.remove(upTo(count).filter((slot) => slot % 3 === 0));
      }
      const rows = (index: GraphIndex) => upTo(count).filter((slot) => index.has(slot));
      expect(rows(twin)).toEqual(rows(ours));
      const same = [...rows(ours)].filter((slot) => {
        return `${twin.memory.linksOf(slot)}` === `${ours.memory.linksOf(slot)}`;
      });
      // Where sums round differently, two candidates as near as each other may change places.
      expect(same.length).toBeGreaterThanOrEqual(rows(ours).length * (exact ? 1 : 0.9));
      for (const slot of rows(ours)) expect(twin.vectorOf(slot)).toEqual(ours.vectorOf(slot));
      const queries = metric === 'cosine' ? clustered(2, 20, dim) : whole(2, 20);
      const [a, b] = [ours.search({ queries, k, efSearch: 40 }), twin.search({ queries, k, efSearch: 40 })];
      expect(b.counts).toEqual(a.counts);
      b.distances.forEach((distance, i) => {
        expect(Math.abs(distance - (a.distances[i] as number))).toBeLessThanOrEqual(1e-4 * (1 + Math.abs(distance)));
      });
    });
  });
}
