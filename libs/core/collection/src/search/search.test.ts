import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { ExactIndex } from '../exact-index.js';
import type { Filter } from '../filter/filter.js';
import { collectionOf, randomVector, type TestPoint } from '../testing/collections.js';
import { noSlot, type SearchRequest, type SearchResult } from '../vector-index.js';

const query = { vector: Float32Array.of(1, 0, 0) };
const red: Filter = { kind: 'in', field: 'colour', values: ['red'] };

/** An index as a walk is one: it knows the nearest, and finds so many of them only. */
class ForgetfulIndex extends ExactIndex {
  foundMax = Number.POSITIVE_INFINITY;
  searches = 0;

  override search(request: SearchRequest): SearchResult {
    this.searches++;
    const result = super.search(request);
    for (let i = this.foundMax; i < request.k; i++) result.slots[i] = noSlot;
    result.counts[0] = Math.min(this.foundMax, result.counts[0] as number);
    return result;
  }
}

function pointsAround(count: number): TestPoint[] {
  const random = new Prng(11);
  return Array.from({ length: count }, (_, i) => ({
    id: `p${String(i).padStart(3, '0')}`,
    vector: randomVector(random),
    payload: { colour: i % 10 === 0 ? 'red' : 'blue', year: i },
  }));
}

describe('the way that a search takes', () => {
  const points = pointsAround(200);

  test.each([
    [{ k: 5 }, 'graph', false],
    [{ k: 5, filter: red }, 'filtered graph', false],
    [{ k: 5, exact: true }, 'exact scan', true],
    [{ k: 5, exact: true, filter: red }, 'bitmap scan', true],
    [{ k: 5, filter: { kind: 'range', field: 'year', below: 3 } as Filter }, 'bitmap scan', true],
    [{ k: 5, filter: { kind: 'range', field: 'year', below: -3 } as Filter }, 'none', true],
  ])('%j goes by %s', (options, route, exact) => {
    const collection = collectionOf(points, {}, new ForgetfulIndex({ metric: 'cosine', dim: 3 }));
    expect(collection.search(query, options).explanation).toMatchObject({ route, exact });
  });

  test('a walk that finds too little is followed by a scan: k hits whenever there are k', () => {
    const graph = new ForgetfulIndex({ metric: 'cosine', dim: 3 });
    const collection = collectionOf(points, {}, graph);
    const whole = collection.search(query, { k: 15, filter: red });
    graph.foundMax = 2;
    const { hits, explanation } = collection.search(query, { k: 15, filter: red });
    expect(explanation).toMatchObject({ route: 'graph then scan', exact: true, matches: 20 });
    expect(hits.map(({ id }) => id)).toEqual(whole.hits.map(({ id }) => id));
    expect(hits).toHaveLength(15);
  });

  test('fewer than k come back only where there are fewer, and none is walked for', () => {
    const graph = new ForgetfulIndex({ metric: 'cosine', dim: 3 });
    const collection = collectionOf(points, {}, graph);
    expect(collection.search(query, { k: 50, filter: red }).hits).toHaveLength(20);
    expect(collection.search(query, { k: 300 }).hits).toHaveLength(200);
  });

  test('deleting never costs hits', () => {
    const collection = collectionOf(points, {}, new ForgetfulIndex({ metric: 'cosine', dim: 3 }));
    collection.apply({ kind: 'delete', ids: points.slice(0, 180).map(({ id }) => id) });
    expect(collection.search(query, { k: 10 }).hits).toHaveLength(10);
    expect(collection.search(query, { k: 50 }).hits).toHaveLength(20);
  });

  test('what is expected of a filter is told beside what it let through', () => {
    const both: Filter = { kind: 'and', filters: [red, { kind: 'range', field: 'year', below: 100 }] };
    const { matches, expectedMatches } = collectionOf(points).search(query, { k: 1, filter: both }).explanation;
    expect([matches, expectedMatches]).toEqual([10, 10]);
  });
});

describe('answers', () => {
  const texts: TestPoint[] = [
    { id: 'near', vector: [1, 0, 0], payload: { body: 'nothing of that' } },
    { id: 'both', vector: [1, 0.2, 0], payload: { body: 'the moon and the sea' } },
    { id: 'word', vector: [0, 1, 0], payload: { body: 'moon moon moon' } },
    { id: 'far', vector: [-1, 0, 0], payload: { body: 'a star' } },
  ];
  const moon = { field: 'body', words: 'moons' };

  test('words alone find texts', () => {
    const { hits, explanation } = collectionOf(texts).search({ text: moon }, { k: 5 });
    expect(hits.map(({ id }) => id)).toEqual(['word', 'both']);
    expect(explanation).toMatchObject({ route: 'text', exact: true, candidates: 0, textCandidates: 2 });
  });

  test('what both rankings have comes before what one has', () => {
    const { hits } = collectionOf(texts).search({ ...query, text: moon }, { k: 3 });
    // First by its words and third by its vector; second by both.
    expect(hits.map(({ id }) => id)).toEqual(['word', 'both', 'near']);
    expect(hits[0]?.score).toBeCloseTo(1 / 61 + 1 / 63, 9);
    expect(hits[1]?.score).toBeCloseTo(1 / 62 + 1 / 62, 9);
  });

  test('weights decide between two rankings', () => {
    const ranked = (vectorWeight: number, textWeight: number) => {
      const fusion = { kind: 'scores' as const, vectorWeight, textWeight };
      return collectionOf(texts).search({ ...query, text: moon }, { k: 1, fusion }).hits[0]?.id;
    };
    expect([ranked(1, 0), ranked(0, 1)]).toEqual(['near', 'word']);
  });

  test('groups come in the order of their best, each with its best', () => {
    const collection = collectionOf(pointsAround(300));
    const { hits } = collection.search(query, { k: 2, groupBy: { field: 'colour', size: 3 } });
    expect(hits.map(({ group }) => group)).toEqual(['blue', 'blue', 'blue', 'red', 'red', 'red']);
    const reds = collection.search(query, { k: 3, filter: red });
    expect(hits.slice(3).map(({ id }) => id)).toEqual(reds.hits.map(({ id }) => id));
  });

  test('points like some and unlike others are none of these', () => {
    const collection = collectionOf([
      { id: 'x', vector: [1, 0, 0] },
      { id: 'y', vector: [0, 1, 0] },
      { id: 'xy', vector: [1, 1, 0] },
      { id: 'xz', vector: [1, 0, 1] },
    ]);
    const vector = collection.likeness(['x'], ['y']);
    const { hits } = collection.search({ vector }, { k: 9, without: ['x', 'y'] });
    expect(hits.map(({ id }) => id)).toEqual(['xz', 'xy']);
    expect(() => collection.likeness(['nobody'], [])).toThrow(expect.objectContaining({ code: 'point_not_found' }));
  });

  test.each<[string, object, object, string]>([
    ['nothing to look for', {}, { k: 1 }, 'invalid_request'],
    ['words in a keyword', { text: { field: 'colour', words: 'red' } }, { k: 1 }, 'invalid_request'],
    ['words in a field that is none', { text: { field: 'title', words: 'red' } }, { k: 1 }, 'field_unknown'],
    ['groups by a number', query, { k: 1, groupBy: { field: 'year', size: 1 } }, 'invalid_request'],
    ['all diversity', query, { k: 1, diversity: 1 }, 'invalid_request'],
  ])('%s is refused', (_, what, options, code) => {
    const search = () => collectionOf(texts).search(what, options as { k: number });
    expect(search).toThrow(expect.objectContaining({ code }));
  });
});
