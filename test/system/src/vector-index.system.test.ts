import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bytesOf } from '@tercet/collection';
import { type TercetError, wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import { RunningSystem } from './running-system.js';

const bert = fileURLToPath(new URL('../../../models/fixtures/bert.gguf', import.meta.url));
const texts = ['the red cat', 'a ship on the sea', 'moon and stars', 'the blue ship'];
const fields = [
  { name: 'text', kind: 'text', language: 'en' },
  { name: 'colour', kind: 'keyword' },
];

let system: RunningSystem;
let channel: GrpcChannel;

beforeAll(async () => {
  system = await RunningSystem.start(['--model', 'tercet-tiny', bert]);
  channel = GrpcChannel.open(`unix:${system.folder}/run/vector-index.sock`);
}, 90_000);
afterAll(async () => {
  channel?.close();
  await system?.[Symbol.asyncDispose]();
}, 60_000);

async function ask<T = Record<string, unknown>>(path: string, body?: unknown, method?: string): Promise<T> {
  const response =
    body === undefined
      ? await fetch(`${system.url}/v1/collections${path}`, { method: method ?? 'GET' })
      : await system.post(`/v1/collections${path}`, body);
  return (await response.json()) as T;
}

interface Hits {
  readonly data: { id: string; score: number; payload: { text: string }; group?: string }[];
  readonly explanation: object;
}

const idsOf = ({ data }: Hits) => data.map(({ id }) => id);

describe('a collection whose texts are embedded', () => {
  beforeAll(async () => {
    const embedding = { model: 'bert', field: 'text' };
    expect(await ask('', { name: 'texts', fields, embedding })).toMatchObject({ dimensions: 32, points: 0 });
    const points = texts.map((text, i) => ({ id: `t${i}`, payload: { text, colour: i % 2 === 0 ? 'red' : 'blue' } }));
    expect(await ask('/texts/points', { points })).toEqual({ offset: 1, points: 4 });
  });

  test('a text finds itself, and a filter and words do what they say', async () => {
    const hits = await ask<Hits>('/texts/search', { query: 'moon and stars', k: 2 });
    expect(hits.data[0]).toMatchObject({ id: 't2', score: expect.closeTo(1, 4), payload: { text: 'moon and stars' } });
    expect(hits.explanation).toMatchObject({ route: 'exact scan', exact: true, matches: 4, candidates: 4 });
    const filter = { and: [{ field: 'colour', eq: 'blue' }, { not: { field: 'text', match: 'red' } }] };
    const blue = await ask<Hits>('/texts/search', { query: 'moon and stars', filter });
    expect(idsOf(blue).toSorted()).toEqual(['t1', 't3']);
    const words = await ask<Hits>('/texts/search', { text: { field: 'text', words: 'ships' } });
    expect(idsOf(words).toSorted()).toEqual(['t1', 't3']);
    expect((await ask<Hits>('/texts/search', { query: 'ship', hybrid: true })).data).toHaveLength(4);
  });

  test('groups, recommendations, pages and counts', async () => {
    const grouped = await ask<Hits>('/texts/search', { query: 'cat', k: 2, group_by: { field: 'colour', size: 1 } });
    expect(grouped.data.map(({ group }) => group).toSorted()).toEqual(['blue', 'red']);
    expect(idsOf(await ask('/texts/recommend', { positive_ids: ['t0'], k: 9 }))).not.toContain('t0');
    const first = await ask<{ next_cursor: string }>('/texts/scroll', { limit: 3 });
    expect(await ask('/texts/scroll', { limit: 3, cursor: first.next_cursor })).toMatchObject({
      data: [{ id: 't3' }],
      next_cursor: null,
    });
    expect(await ask('/texts/count', { filter: { field: 'colour', eq: 'red' } })).toEqual({ points: 2 });
  });

  test('a chat with retrieval has passages in its prompt, and says which', async () => {
    const chat = { model: 'tercet-tiny', max_tokens: 2, messages: [{ role: 'user', content: 'moon and stars' }] };
    const plain = await (await system.post('/v1/chat/completions', chat)).json();
    const retrieval = { collection: 'texts', k: 2 };
    const answer = await (await system.post('/v1/chat/completions', { ...chat, retrieval })).json();
    const { usage, tercet } = answer as { usage: { prompt_tokens: number }; tercet: { citations: object[] } };
    expect(tercet.citations).toHaveLength(2);
    const found = { number: 1, id: 't2', text: 'moon and stars', payload: { colour: 'red' } };
    expect(tercet.citations[0]).toMatchObject(found);
    const before = (plain as { usage: { prompt_tokens: number } }).usage.prompt_tokens;
    expect(usage.prompt_tokens).toBeGreaterThan(before);
    const stream = await (await system.post('/v1/chat/completions', { ...chat, retrieval, stream: true })).text();
    expect(stream.split('\n')[0]).toContain('"citations":[{"number":1,"id":"t2"');
  });

  test('killed in the middle, it comes back with every write that was acknowledged', async () => {
    const before = await ask<Hits>('/texts/search', { query: 'the red cat', k: 4 });
    const { pid } = system.log().findLast(({ event }) => event === 'vector-index.ready') ?? {};
    process.kill(Number(pid), 'SIGKILL');
    let after: Hits | undefined;
    for (let i = 0; i < 100 && after?.data === undefined; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      after = await ask<Hits>('/texts/search', { query: 'the red cat', k: 4 });
    }
    expect(after?.data).toEqual(before.data);
  });
});

describe('bad input', () => {
  const vectors = (...values: number[]) => Buffer.from(bytesOf(Float32Array.from(values)));
  const client = () => channel.client(wire.VectorIndexDefinition);
  const codeOf = (call: Promise<unknown>) =>
    call.then(
      () => 'none',
      (error: TercetError) => error.code,
    );

  beforeAll(async () => {
    await ask('', { name: 'plain', dimensions: 2, fields });
    await ask('/plain/points', { points: [{ id: 'a', vector: [1, 0] }] });
  });

  test.each<[string, Partial<wire.Points>, string]>([
    ['NaN', { ids: ['a'], vectors: vectors(Number.NaN, 1) }, 'vector_not_finite'],
    ['infinity', { ids: ['a'], vectors: vectors(1, Number.POSITIVE_INFINITY) }, 'vector_not_finite'],
    ['zero', { ids: ['a'], vectors: vectors(0, 0) }, 'vector_zero'],
    ['too long', { ids: ['a'], vectors: vectors(1, 2, 3) }, 'dimension_mismatch'],
    ['half a number', { ids: ['a'], vectors: Buffer.alloc(7) }, 'dimension_mismatch'],
    ['the same id twice', { ids: ['a', 'a'], vectors: vectors(1, 2, 3, 4) }, 'id_duplicate'],
    ['an id of a megabyte', { ids: ['x'.repeat(1 << 20)], vectors: vectors(1, 2) }, 'id_invalid'],
    ['no points', { ids: [] }, 'invalid_request'],
    ['a field that is none', { ids: ['a'], vectors: vectors(1, 2), payloads: ['{"x":1}'] }, 'field_unknown'],
    ['no JSON', { ids: ['a'], vectors: vectors(1, 2), payloads: ['{'] }, 'payload_invalid'],
  ])('over gRPC, a point with %s is refused', async (_, points, code) => {
    const request = { tenant: '', collection: 'plain', points: wire.Points.fromPartial(points) };
    expect(await codeOf(client().upsertPoints(request))).toBe(code);
  });

  test.each<[string, string, unknown, string]>([
    ['an empty filter', '/plain/search', { vector: [1, 0], filter: {} }, 'invalid_request'],
    ['and of nothing', '/plain/search', { vector: [1, 0], filter: { and: [] } }, 'filter_invalid'],
    ['a filter on a field that is none', '/plain/count', { filter: { field: 'color', eq: 'red' } }, 'field_unknown'],
    ['a vector of another length', '/plain/search', { vector: [1, 0, 0] }, 'dimension_mismatch'],
    ['nothing to look for', '/plain/search', { k: 3 }, 'invalid_request'],
    ['a query where nothing embeds', '/plain/search', { query: 'cat' }, 'invalid_request'],
    ['too many hits', '/plain/search', { vector: [1, 0], k: 1_000_000 }, 'index_limit_reached'],
    ['a collection that is none', '/nothing/search', { vector: [1, 0] }, 'collection_not_found'],
    ['a name twice', '', { name: 'plain', dimensions: 2 }, 'collection_exists'],
    ['the tenant of somebody else', '/plain/search', { vector: [1, 0], tenant: 'other' }, 'invalid_request'],
    ['a write that never was', '/plain/search', { vector: [1, 0], min_offset: 99 }, 'index_behind'],
  ])('over HTTP, %s is refused', async (_, path, body, code) => {
    expect(await ask(path, body)).toMatchObject({ error: { code } });
  });

  test('an empty filter over gRPC is refused as well', async () => {
    const filter = wire.Filter.fromPartial({});
    expect(await codeOf(client().countPoints({ tenant: '', collection: 'plain', filter }))).toBe('filter_invalid');
  });

  test('a tenant does not see the collections of another', async () => {
    expect(await client().listCollections({ tenant: 'other' })).toEqual({ names: [] });
    const stolen = client().getCollection({ tenant: 'other', name: 'plain' });
    expect(await codeOf(stolen)).toBe('collection_not_found');
  });

  test('a stream of upserts is answered in order, each when it is durable', async () => {
    const upserts = Array.from({ length: 20 }, (_, i) => {
      return { tenant: '', collection: 'plain', points: { ids: [`s${i}`], vectors: vectors(i, 1), payloads: [] } };
    });
    async function* each() {
      yield* upserts;
    }
    const offsets: bigint[] = [];
    for await (const { offset } of client().ingestPoints(each())) offsets.push(offset);
    expect(offsets).toEqual(offsets.map((_, i) => (offsets[0] ?? 0n) + BigInt(i)));
    expect(offsets).toHaveLength(20);
  });
});
