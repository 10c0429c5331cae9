import { afterAll, describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import {
  GraphIndex,
  type GraphIndexOptions,
  type Metric,
  noSlot,
  type VectorCode,
  type VectorKernels,
} from '@tercet/vector-index';
import fc from 'fast-check';

const vectorCodes: readonly VectorCode[] = [
  { kind: 'float32' },
  { kind: 'float16' },
  ...([0, 4, 6, 8] as const).flatMap((restBits) =>
    ([4, 8] as const).map((bits) => ({ kind: 'lvq' as const, bits, restBits })),
  ),
];

const vectorMetrics: readonly Metric[] = ['cosine', 'inner-product', 'l2'];

/** Each code with cosine, and two of them with the other metrics. */
export function everyCase(): { readonly metric: Metric; readonly code: VectorCode; readonly named: string }[] {
  const cases = vectorCodes.map((code) => ({ metric: 'cosine' as Metric, code, named: nameOf(code) }));
  for (const code of [{ kind: 'float32' }, { kind: 'lvq', bits: 4, restBits: 6 }] as const) {
    for (const metric of ['inner-product', 'l2'] as const) cases.push({ metric, code, named: nameOf(code) });
  }
  return cases;
}

function nameOf(code: VectorCode): string {
  return code.kind === 'lvq' ? `LVQ ${code.bits}+${code.restBits}` : code.kind;
}

/** Vectors in loose clusters, which are the same for every seed. [count, dim] */
export function clustered(seed: number, count: number, dim: number): Float32Array {
  const normalOf = (prng: Prng) => () => prng.nextFloat() + prng.nextFloat() + prng.nextFloat() - 1.5;
  const centres = Float32Array.from({ length: 16 * dim }, normalOf(new Prng(1)));
  const prng = new Prng(seed + 2);
  const normal = normalOf(prng);
  const out = new Float32Array(count * dim);
  for (let row = 0; row < count; row++) {
    const centre = prng.nextBelow(16) * dim;
    for (let i = 0; i < dim; i++) out[row * dim + i] = (centres[centre + i] as number) + 0.5 * normal();
  }
  return out;
}

export function upTo(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => i);
}

/** Distances of a query to vectors by the definition. */
function trueDistance(metric: Metric, a: Float32Array, b: Float32Array): number {
  let [dot, squares, lengthA, lengthB] = [0, 0, 0, 0];
  for (const [i, x] of a.entries()) {
    const y = b[i] as number;
    dot += x * y;
    squares += (x - y) ** 2;
    lengthA += x * x;
    lengthB += y * y;
  }
  if (metric === 'l2') return squares;
  return metric === 'cosine' ? 1 - dot / Math.sqrt(lengthA * lengthB) : -dot;
}

export interface ContractSize {
  /** Vectors of an index. */
  readonly count: number;
  /** Random runs of operations. */
  readonly runs: number;
}

/** What every implementation of the port does. */
export function vectorKernelsContract(name: string, kernels: VectorKernels, size: ContractSize): void {
  const opened: GraphIndex[] = [];
  const open = (options: Pick<GraphIndexOptions, 'metric' | 'dim'> & Partial<GraphIndexOptions>) => {
    const index = new GraphIndex(
      { slotsMax: 4096, efConstruction: 40, degreeMax: 16, degreeNew: 16, ...options },
      kernels,
    );
    opened.push(index);
    return index;
  };
  afterAll(() => {
    for (const index of opened) index[Symbol.dispose]();
  });

  describe(`${name}: what a search finds`, () => {
    const bounds = { float32: 0.97, float16: 0.97, lvq4: 0.6, lvq8: 0.93, lvq12: 0.96 };
    const boundOf = (code: VectorCode) => {
      if (code.kind !== 'lvq') return bounds[code.kind];
      const bits = code.bits + code.restBits;
      return bits === 4 ? bounds.lvq4 : bits < 12 ? bounds.lvq8 : bounds.lvq12;
    };
    const cases = everyCase();
    test.each(cases)('$metric over $named keeps its recall', ({ metric, code }) => {
      const [dim, count, asked, k] = [70, size.count, 10, 10];
      const index = open({ metric, dim, code });
      const vectors = clustered(3, count, dim);
      index.upsert(upTo(count), vectors);
      const queries = clustered(4, asked, dim);
      const { slots, distances, counts } = index.search({ queries, k, efSearch: 200 });
      expect([...counts].every((found) => found === k)).toBe(true);
      let hits = 0;
      for (let q = 0; q < asked; q++) {
        const query = queries.subarray(q * dim, (q + 1) * dim);
        const found = slots.subarray(q * k, (q + 1) * k);
        expect(distances.subarray(q * k, (q + 1) * k).toSorted()).toEqual(distances.subarray(q * k, (q + 1) * k));
        const exact = nearestOf(metric, query, vectors, k);
        hits += exact.filter((slot) => found.includes(slot)).length;
      }
      expect(hits / (asked * k)).toBeGreaterThanOrEqual(boundOf(code));
    });

    test('a vector is its own nearest, and is told as it came in', () => {
      const index = open({ metric: 'cosine', dim: 33 });
      const vectors = clustered(5, 200, 33);
      index.upsert(upTo(200), vectors);
      const { slots, distances } = index.search({ queries: vectors, k: 1 });
      expect([...slots]).toEqual([...upTo(200)]);
      expect(Math.max(...distances)).toBeLessThan(1e-3);
      const length = Math.hypot(...vectors.subarray(0, 33));
      index.vectorOf(0).forEach((value, i) => {
        expect(value).toBeCloseTo((vectors[i] as number) / length, 2);
      });
    });
  });

  describe(`${name}: removal and filters`, () => {
    test.each([{ share: 0.5 }, { share: 0.02 }, { share: 0.001 }])(
      'k results at a share of $share, all allowed',
      ({ share }) => {
        const [dim, count, k] = [16, size.count, 10];
        const index = open({ metric: 'l2', dim });
        index.upsert(upTo(count), clustered(6, count, dim));
        const prng = new Prng(7);
        const allow = new Uint32Array(Math.ceil(count / 32));
        for (let slot = 0; slot < count; slot++) {
          if (prng.nextFloat() < share) allow[slot >> 5] = (allow[slot >> 5] as number) | (1 << (slot & 31));
        }
        const matches = upTo(count).filter((slot) => (((allow[slot >> 5] as number) >>> (slot & 31)) & 1) === 1);
        const { slots, counts } = index.search({ queries: clustered(8, 5, dim), k, efSearch: 20, allow });
        expect([...counts]).toEqual(Array(5).fill(Math.min(k, matches.length)));
        for (const slot of slots) expect(slot === noSlot || matches.includes(slot)).toBe(true);
      },
    );

    test('removing all but ten leaves ten results, and memory goes back', () => {
      const [dim, count] = [4, 2048];
      const index = open({ metric: 'cosine', dim });
      index.upsert(upTo(count), clustered(9, count, dim));
      const before = index.usedBytes;
      index.remove(upTo(count - 10));
      const { slots, counts } = index.search({ queries: clustered(10, 3, dim), k: 20, efSearch: 20 });
      expect([...counts]).toEqual([10, 10, 10]);
      expect([...slots].every((slot) => slot >= count - 10)).toBe(true);
      expect(index.usedBytes).toBe(before / 2);
      index.remove(upTo(count));
      expect(index.size).toBe(0);
      expect([...index.search({ queries: clustered(10, 3, dim), k: 1 }).counts]).toEqual([0, 0, 0]);
      index.upsert(Uint32Array.of(3), clustered(11, 1, dim));
      expect(index.search({ queries: clustered(11, 1, dim), k: 1 }).slots[0]).toBe(3);
    });
  });

  test(`${name}: any upserts and removals leave what a map holds, and searches find the nearest of it`, async () => {
    const [dim, k, slotsMax] = [8, 5, 128];
    const anySlots = fc.uniqueArray(fc.nat({ max: slotsMax - 1 }), { minLength: 1, maxLength: 20 });
    const anyOperation = fc.record({
      kind: fc.constantFrom('upsert', 'upsert', 'remove'),
      slots: anySlots,
      seed: fc.nat(),
    });
    const anyRun = fc.record({
      metric: fc.constantFrom(...vectorMetrics),
      operations: fc.array(anyOperation, { maxLength: 12 }),
    });
    const run = async ({ metric, operations }: typeof anyRun extends fc.Arbitrary<infer T> ? T : never) => {
      const index = open({
        metric,
        dim,
        slotsMax,
        code: { kind: 'float32' },
        efConstruction: 32,
        degreeMax: 8,
        degreeNew: 8,
      });
      const model = new Map<number, Float32Array>();
      for (const { kind, slots, seed } of operations) {
        const vectors = clustered(seed, slots.length, dim);
        if (kind === 'upsert') index.upsert(Uint32Array.from(slots), vectors);
        else index.remove(Uint32Array.from(slots));
        for (const [i, slot] of slots.entries()) {
          if (kind === 'upsert') model.set(slot, vectors.slice(i * dim, (i + 1) * dim));
          else model.delete(slot);
        }
        expect(index.size).toBe(model.size);
        const queries = clustered(seed + 1, 1, dim);
        const found = await index.searchAsync({ queries, k, efSearch: slotsMax });
        const exact = [...model]
          .map(([, vector]) => trueDistance(metric, queries, vector))
          .sort((a, b) => a - b)
          .slice(0, k);
        expect(found.counts[0]).toBe(exact.length);
        for (const slot of found.slots.subarray(0, exact.length)) expect(model.has(slot)).toBe(true);
        const scanned = index.searchExact({ queries, k });
        exact.forEach((distance, i) => {
          expect(scanned.distances[i]).toBeCloseTo(distance, 3);
        });
      }
    };
    await fc.assert(fc.asyncProperty(anyRun, run), { numRuns: size.runs });
  });

  describe(`${name}: what is refused`, () => {
    const of = (...values: number[]) => Float32Array.from(values);
    test.each([
      { what: 'NaN', vector: of(1, Number.NaN), code: 'vector_not_finite' },
      { what: 'infinity', vector: of(Number.POSITIVE_INFINITY, 0), code: 'vector_not_finite' },
      { what: 'a zero vector', vector: of(0, 0), code: 'vector_zero' },
      { what: 'too many components', vector: of(1, 2, 3), code: 'dimension_mismatch' },
    ])('$what, to keep or to ask with', ({ vector, code }) => {
      const index = open({ metric: 'cosine', dim: 2 });
      const refused = expect.objectContaining({ code });
      expect(() => index.upsert(Uint32Array.of(0), vector)).toThrow(refused);
      expect(() => index.search({ queries: vector, k: 1 })).toThrow(refused);
      expect(index.size).toBe(0);
    });

    test('slots beyond the room, slots that stand twice, and no result to look for', () => {
      const index = open({ metric: 'l2', dim: 1, slotsMax: 8 });
      expect(() => index.upsert(Uint32Array.of(8), of(1))).toThrow(
        expect.objectContaining({ code: 'index_limit_reached' }),
      );
      const invalid = expect.objectContaining({ code: 'invalid_request' });
      expect(() => index.upsert(Uint32Array.of(1, 1), of(1, 2))).toThrow(invalid);
      expect(() => index.search({ queries: of(1), k: 0 })).toThrow(invalid);
      expect(() => index.search({ queries: of(1), k: 1, efSearch: 0 })).toThrow(invalid);
    });

    test('but zero vectors are vectors like others where lengths count', () => {
      for (const metric of ['l2', 'inner-product'] as const) {
        const index = open({ metric, dim: 2 });
        index.upsert(Uint32Array.of(0, 1), of(0, 0, 3, 4));
        expect([...index.search({ queries: of(0, 0), k: 2 }).counts]).toEqual([2]);
      }
    });
  });
}

function nearestOf(metric: Metric, query: Float32Array, vectors: Float32Array, k: number): number[] {
  const dim = query.length;
  const all = [...upTo(vectors.length / dim)].map((slot) => {
    return { slot, distance: trueDistance(metric, query, vectors.subarray(slot * dim, (slot + 1) * dim)) };
  });
  return all
    .sort((a, b) => a.distance - b.distance)
    .slice(0, k)
    .map(({ slot }) => slot);
}
