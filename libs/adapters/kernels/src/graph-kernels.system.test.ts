import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import { GraphIndex, type Metric, type VectorCode } from '@tercet/vector-index';
import fc from 'fast-check';
import { buildKernels, libraryPath } from '../../../../native/kernels/build.mjs';
import { structOf, tryVectorKernels } from './graph-kernels.js';
import { tryOpenLibrary } from './library.js';

const toolchain = (await buildKernels({ quiet: true })) !== 'no-compiler';
const nativeTest = toolchain ? test : test.skip;

const anyLvq = fc.record({
  kind: fc.constant('lvq' as const),
  bits: fc.constantFrom(4 as const, 8 as const),
  restBits: fc.constantFrom(0 as const, 4 as const, 6 as const, 8 as const),
});
const anyFloat = fc.constantFrom<VectorCode>({ kind: 'float32' }, { kind: 'float16' });
const anyCase = fc.record({
  dim: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(127, 128, 129, 192, 193, 320, 384, 1000)),
  code: fc.oneof(anyLvq, anyFloat),
  metric: fc.constantFrom<Metric>('cosine', 'inner-product', 'l2'),
  seed: fc.nat(),
  scale: fc.constantFrom(1e-3, 1, 1e3),
});

describe('distances', () => {
  nativeTest('the variant of this CPU and its scalar twin agree, for every dimension, code and metric', () => {
    const kernels = tryVectorKernels({ path: libraryPath });
    const native = tryOpenLibrary(libraryPath)?.vectors;
    if (kernels === undefined || native === undefined) throw new Error('not built');
    fc.assert(
      fc.property(anyCase, ({ dim, code, metric, seed, scale }) => {
        const prng = new Prng(seed);
        const [count, slots] = [8, Uint32Array.from({ length: 8 }, (_, i) => i)];
        const random = (rows: number) =>
          Float32Array.from({ length: rows * dim }, () => (prng.nextFloat() - 0.4) * scale);
        using index = new GraphIndex({ metric, dim, code, slotsMax: count }, kernels);
        index.upsert(slots, random(count));
        const query = random(1);
        const struct = structOf(index.memory);
        for (const level of [1, 2]) {
          const [fast, plain] = [new Float32Array(count), new Float32Array(count)];
          expect(native.distances(struct, query, slots, count, level, fast)).toBe(0);
          expect(native.distancesScalar(struct, query, slots, count, level, plain)).toBe(0);
          // Whole numbers have one sum; floats are added in another order.
          if (level === 1 && code.kind === 'lvq') expect(fast).toEqual(plain);
          const size = metric === 'cosine' ? 1 : dim * scale * scale;
          fast.forEach((distance, i) => {
            expect(Math.abs(distance - (plain[i] as number))).toBeLessThanOrEqual(2e-6 * size);
          });
        }
      }),
      { numRuns: 300 },
    );
  });

  nativeTest('a graph that the library cannot hold is refused, not read', () => {
    const native = tryOpenLibrary(libraryPath)?.vectors;
    if (native === undefined) throw new Error('not built');
    const struct = new BigUint64Array(18);
    expect(native.distances(struct, new Float32Array(1), new Uint32Array(1), 1, 1, new Float32Array(1))).not.toBe(0);
  });

  test('without the library there are no native kernels', () => {
    expect(tryVectorKernels({ path: '/nowhere/libtercet_kernels.so' })).toBeUndefined();
  });
});

describe('searches beside a writer', () => {
  nativeTest('never give a vector that was not there, nor less than k', async () => {
    const kernels = tryVectorKernels({ path: libraryPath });
    if (kernels === undefined) throw new TercetError('engine_incompatible', { missing: libraryPath });
    const [dim, kept, churned] = [32, 500, 500];
    const prng = new Prng(1);
    const random = (rows: number) => Float32Array.from({ length: rows * dim }, () => prng.nextFloat() - 0.5);
    using index = new GraphIndex({ metric: 'l2', dim, slotsMax: 2000, efConstruction: 60 }, kernels);
    index.upsert(
      Uint32Array.from({ length: kept }, (_, i) => i),
      random(kept),
    );
    for (let round = 0; round < 20; round++) {
      const searches = Array.from({ length: 4 }, () => index.searchAsync({ queries: random(50), k: 10, efSearch: 40 }));
      const slots = Uint32Array.from({ length: churned }, (_, i) => kept + i);
      index.upsert(slots, random(churned));
      index.remove(slots.subarray(0, churned / 2));
      for (const { counts, slots: found, distances } of await Promise.all(searches)) {
        expect([...counts].every((count) => count === 10)).toBe(true);
        expect(found.every((slot) => slot < kept + churned)).toBe(true);
        expect(distances.every((distance) => distance >= -1e-3 && distance < dim)).toBe(true);
      }
    }
  });
});
