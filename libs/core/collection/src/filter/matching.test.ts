import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { collectionOf, spec, type TestPoint } from '../testing/collections.js';
import { checkFilter } from './check-filter.js';
import type { Filter } from './filter.js';

interface Payload {
  readonly colour?: readonly string[];
  readonly year?: number;
  readonly open?: boolean;
  readonly day?: string;
  readonly body?: string;
}

const colours = ['red', 'green', 'blue'];
const words = ['ship', 'sea', 'moon', 'star'];
const days = ['2026-01-01', '2026-01-02T03:04:05Z', '2026-03-01T00:00:00+02:00'];
const anyPayload: fc.Arbitrary<Payload> = fc.record(
  {
    colour: fc.uniqueArray(fc.constantFrom(...colours), { maxLength: 2 }),
    year: fc.integer({ min: 2000, max: 2006 }),
    open: fc.boolean(),
    day: fc.constantFrom(...days),
    body: fc.array(fc.constantFrom(...words), { maxLength: 4 }).map((each) => each.join(' ')),
  },
  { requiredKeys: [] },
);
const year = fc.integer({ min: 1999, max: 2007 });
const anyCondition: fc.Arbitrary<Filter> = fc.oneof(
  fc.uniqueArray(fc.constantFrom(...colours, 'pink'), { minLength: 1 }).map((values): Filter => {
    return { kind: 'in', field: 'colour', values };
  }),
  fc.uniqueArray(year, { minLength: 1, maxLength: 3 }).map((values): Filter => ({ kind: 'in', field: 'year', values })),
  fc.boolean().map((open): Filter => ({ kind: 'in', field: 'open', values: [open] })),
  fc.tuple(year, year).map(([a, b]): Filter => {
    return { kind: 'range', field: 'year', atLeast: Math.min(a, b), below: Math.max(a, b) };
  }),
  year.map((above): Filter => ({ kind: 'range', field: 'year', above })),
  fc.constantFrom(...days).map((atMost): Filter => ({ kind: 'range', field: 'day', atMost })),
  fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 3 }).map((each): Filter => {
    return { kind: 'match', field: 'body', words: each.join(' ') };
  }),
  fc.constantFrom('colour', 'year', 'open', 'day', 'body').map((field): Filter => ({ kind: 'exists', field })),
);
const { filter: anyFilter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    anyCondition,
    fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((filters): Filter => ({ kind: 'and', filters })),
    fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((filters): Filter => ({ kind: 'or', filters })),
    tie('filter').map((filter): Filter => ({ kind: 'not', filter })),
  ),
}));

/** Whether a payload passes, by looking at it. */
function passes(payload: Payload, filter: Filter): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.filters.every((each) => passes(payload, each));
    case 'or':
      return filter.filters.some((each) => passes(payload, each));
    case 'not':
      return !passes(payload, filter.filter);
    case 'in':
      return [fieldOf(payload, filter.field)].flat().some((value) => filter.values.includes(value as string));
    case 'range': {
      const isDay = filter.field === 'day';
      const number = (value: unknown) => (isDay ? Date.parse(String(value)) : Number(value));
      const value = fieldOf(payload, filter.field);
      if (value === undefined) return false;
      const { above, atLeast, below, atMost } = filter;
      return (
        (above === undefined || number(value) > number(above)) &&
        (atLeast === undefined || number(value) >= number(atLeast)) &&
        (below === undefined || number(value) < number(below)) &&
        (atMost === undefined || number(value) <= number(atMost))
      );
    }
    case 'match':
      return filter.words.split(' ').every((word) => payload.body?.split(' ').includes(word) === true);
    case 'exists':
      return fieldOf(payload, filter.field) !== undefined;
    default:
      return filter satisfies never;
  }
}

function fieldOf(payload: Payload, field: string): unknown {
  return payload[field as keyof Payload];
}

const pointsOf = (payloads: readonly Payload[]) =>
  payloads.map((payload, i): TestPoint => ({ id: `p${i}`, vector: [1, 0, 0], payload: { ...payload } }));

describe('filters', () => {
  test('they let through what passes when one looks at it, also after points were replaced and deleted', () =>
    fc.assert(
      fc.property(
        fc.array(anyPayload, { maxLength: 30 }),
        fc.array(anyPayload, { maxLength: 6 }),
        anyFilter,
        (a, b, filter) => {
          const collection = collectionOf(pointsOf(a));
          const deleted = a.flatMap((_, i) => (i % 4 === 3 ? [`p${i}`] : []));
          collection.apply({ kind: 'delete', ids: deleted });
          const now = new Map(pointsOf(a).map((point, i) => [point.id, a[i] as Payload]));
          for (const id of deleted) now.delete(id);
          const replaced = pointsOf(b);
          for (const [i, { id }] of replaced.entries()) now.set(id, b[i] as Payload);
          const vectors = new Float32Array(replaced.length * 3).fill(1);
          const payloads = replaced.map(({ payload }) => JSON.stringify(payload));
          if (replaced.length > 0)
            collection.apply({ kind: 'upsert', points: { ids: replaced.map(({ id }) => id), vectors, payloads } });
          const expected = [...now].flatMap(([id, payload]) => (passes(payload, filter) ? [id] : []));
          expect(collection.idsOf(filter).toSorted()).toEqual(expected.toSorted());
          expect(collection.count(filter)).toBe(expected.length);
        },
      ),
      { numRuns: 300 },
    ));

  test('filters that say the same let the same through', () => {
    const payloads = Array.from({ length: 50 }, (_, i) => ({
      year: 2000 + (i % 7),
      colour: [colours[i % 3] as string],
    }));
    const collection = collectionOf(pointsOf(payloads));
    const range: Filter = { kind: 'range', field: 'year', atLeast: 2002, atMost: 2004 };
    const set: Filter = { kind: 'in', field: 'year', values: [2004, 2002, 2003] };
    const either: Filter = {
      kind: 'or',
      filters: [2002, 2003, 2004].map((each) => ({ kind: 'in', field: 'year', values: [each] })),
    };
    const twice: Filter = { kind: 'not', filter: { kind: 'not', filter: range } };
    const answers = [range, set, either, twice].map((filter) =>
      collection.search({ vector: Float32Array.of(1, 0, 0) }, { k: 30, filter }).hits.map(({ id }) => id),
    );
    expect(answers[0]?.length).toBeGreaterThan(10);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  test.each<[string, unknown, string]>([
    ['and of nothing', { kind: 'and', filters: [] }, 'filter_invalid'],
    ['in without a value', { kind: 'in', field: 'colour', values: [] }, 'filter_invalid'],
    ['a number among keywords', { kind: 'in', field: 'colour', values: ['red', 1] }, 'filter_invalid'],
    ['a text as a bool', { kind: 'in', field: 'open', values: ['true'] }, 'filter_invalid'],
    ['a number as a day', { kind: 'in', field: 'day', values: [5] }, 'filter_invalid'],
    ['a day that is none', { kind: 'range', field: 'day', above: '2026-13-01' }, 'filter_invalid'],
    ['range without a bound', { kind: 'range', field: 'year' }, 'filter_invalid'],
    ['two lower bounds', { kind: 'range', field: 'year', above: 1, atLeast: 2 }, 'filter_invalid'],
    ['bounds that nothing is within', { kind: 'range', field: 'year', above: 3, below: 1 }, 'filter_invalid'],
    ['a range of keywords', { kind: 'range', field: 'colour', above: 3 }, 'filter_invalid'],
    ['words in a keyword', { kind: 'match', field: 'colour', words: 'red' }, 'filter_invalid'],
    ['no words', { kind: 'match', field: 'body', words: ' ' }, 'filter_invalid'],
    ['a stored field', { kind: 'exists', field: 'note' }, 'filter_invalid'],
    ['a field that is none', { kind: 'exists', field: 'color' }, 'field_unknown'],
    [
      'a hundred nots',
      Array.from({ length: 100 }).reduce((filter: unknown) => ({ kind: 'not', filter }), {
        kind: 'exists',
        field: 'year',
      }),
      'filter_invalid',
    ],
  ])('%s is refused', (_, filter, code) => {
    expect(() => checkFilter(filter as Filter, spec.fields)).toThrow(expect.objectContaining({ code }));
  });
});
