import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Points } from '@tercet/collection';
import { CollectionStore, type CollectionWhich } from './collection-store.js';
import { storeOptions, testSpec } from './testing/store-options.js';

const docs = { tenant: 'acme', name: 'docs' };

let folder: string;
let store: CollectionStore;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-store-'));
  store = CollectionStore.open(storeOptions(folder));
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function make(...all: readonly CollectionWhich[]): Promise<void> {
  for (const { tenant, name } of all) await store.create(tenant, { ...testSpec, name });
}

function points(...ids: readonly string[]): Points {
  return { ids, vectors: new Float32Array(ids.length * 4).fill(1), payloads: [] };
}

const idsOf = (which: CollectionWhich) =>
  store.use(which, async ({ memory }) => [...memory.scroll({ limit: 100 }).points.ids]);

describe('collections of tenants', () => {
  test('a tenant neither sees nor reaches the collections of another', async () => {
    const theirs = { tenant: 'other', name: 'docs' };
    await make(docs, theirs);
    await store.use(docs, (collection) => collection.upsert(points('ours')));
    await store.use(theirs, (collection) => collection.upsert(points('theirs')));
    expect([await idsOf(docs), await idsOf(theirs)]).toEqual([['ours'], ['theirs']]);
    expect(await store.names('third')).toEqual([]);
    await expect(idsOf({ tenant: 'third', name: 'docs' })).rejects.toMatchObject({ code: 'collection_not_found' });
  });

  test.each(['../acme', '.', '..', 'a/b', 'A', 'x'.repeat(64)])('a tenant cannot be called %s', async (tenant) => {
    await expect(store.create(tenant, testSpec)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('those without a key have collections of their own', async () => {
    await make({ tenant: '', name: 'docs' }, docs);
    expect([await store.names(''), await store.names('_').catch(({ code }) => code)]).toEqual([
      ['docs'],
      'invalid_request',
    ]);
  });

  test('a name is taken once, and free again when its collection is gone', async () => {
    await make(docs);
    await expect(make(docs)).rejects.toMatchObject({ code: 'collection_exists' });
    await store.use(docs, (collection) => collection.upsert(points('a')));
    await store.delete(docs);
    await expect(idsOf(docs)).rejects.toMatchObject({ code: 'collection_not_found' });
    await make(docs);
    expect(await idsOf(docs)).toEqual([]);
  });

  test('one collection more than the limit is refused', async () => {
    await make(...Array.from({ length: 8 }, (_, i) => ({ tenant: 'acme', name: `c${i}` })));
    await expect(make(docs)).rejects.toMatchObject({ code: 'index_limit_reached' });
    await make({ ...docs, tenant: 'other' });
  });

  test('collections that were not used for long are closed, and read again', async () => {
    const all = Array.from({ length: 8 }, (_, i) => ({ tenant: 'acme', name: `c${i}` }));
    await make(...all);
    for (const which of all) await store.use(which, (collection) => collection.upsert(points(which.name)));
    expect(store.opened().map(({ name }) => name)).toEqual(['c4', 'c5', 'c6', 'c7']);
    for (const which of all) expect(await idsOf(which)).toEqual([which.name]);
  });
});

describe('writes', () => {
  test('many at a time become durable together, in the order in which they came', async () => {
    await make(docs);
    await store.use(docs, async (collection) => {
      const receipts = await Promise.all(Array.from({ length: 100 }, (_, i) => collection.upsert(points(`p${i}`))));
      expect(receipts.map(({ offset }) => offset)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    });
  });

  test('a write that passes the limit of points is refused, and replacing and deleting are not', async () => {
    const limits = { ...storeOptions(folder).limits, pointsMax: 2 };
    await store[Symbol.asyncDispose]();
    store = CollectionStore.open(storeOptions(folder, { limits }));
    await make(docs);
    await store.use(docs, async (collection) => {
      const outcomes = await Promise.all(
        [['a'], ['b'], ['c'], ['a', 'b']].map((ids) =>
          collection.upsert(points(...ids)).then(
            ({ points: written }) => written,
            ({ code }) => code,
          ),
        ),
      );
      expect(outcomes).toEqual([1, 1, 'index_limit_reached', 2]);
      await collection.delete(['a']);
      await collection.upsert(points('c'));
    });
    expect(await idsOf(docs)).toEqual(['b', 'c']);
  });

  test('one more than may wait is refused', async () => {
    await make(docs);
    await store.use(docs, async (collection) => {
      const writes = Array.from({ length: 300 }, (_, i) =>
        collection.upsert(points(`p${i}`)).catch(({ code }) => code),
      );
      const outcomes = await Promise.all(writes);
      expect(outcomes.filter((outcome) => outcome === 'overloaded').length).toBeGreaterThan(0);
      expect(outcomes.filter((outcome) => typeof outcome === 'object').length).toBe(collection.memory.size);
    });
  });

  test('a filter takes away what writes before it made', async () => {
    await make(docs);
    await store.use(docs, async (collection) => {
      const red = { ...points('a', 'b'), payloads: ['{"colour":"red"}', '{"colour":"blue"}'] };
      const [, receipt] = await Promise.all([
        collection.upsert(red),
        collection.deleteMatching({ kind: 'in', field: 'colour', values: ['red'] }),
      ]);
      expect(receipt.points).toBe(1);
    });
    expect(await idsOf(docs)).toEqual(['b']);
  });

  test('a search can wait for a write, and not for one that never comes', async () => {
    await make(docs);
    await store.use(docs, async (collection) => {
      const { signal } = new AbortController();
      const seen = collection.seen(2, signal).then(() => collection.memory.size);
      await collection.upsert(points('a'));
      await collection.upsert(points('b'));
      expect(await seen).toBe(2);
      await expect(collection.seen(9, AbortSignal.timeout(20))).rejects.toMatchObject({ name: 'TimeoutError' });
    });
  });
});

describe('snapshots', () => {
  test('a long log is given up for one, while writes go on', async () => {
    await make(docs);
    const payload = JSON.stringify({ text: 'long '.repeat(150) });
    for (let i = 0; i < 400; i++) {
      const write = { ...points(`p${i % 50}`), payloads: [payload] };
      await store.use(docs, (collection) => collection.upsert(write));
    }
    const { logBytes, snapshotOffset } = await store.use(docs, async ({ state }) => state);
    expect(logBytes).toBeLessThan(2 * 64 * 1024);
    expect(snapshotOffset).toBeGreaterThan(0);
    await store[Symbol.asyncDispose]();
    const files = readdirSync(join(folder, 'collections/tenants/acme/docs'));
    expect(files.filter((name) => name.endsWith('.snap'))).toHaveLength(1);
    store = CollectionStore.open(storeOptions(folder));
    expect(await idsOf(docs)).toHaveLength(50);
  });

  test('a backup that is made while points change is restored as of some moment', async () => {
    await make(docs);
    await store.use(docs, async (collection) => {
      for (let i = 0; i < 50; i++) await collection.upsert(points(`p${i}`));
      const backup = store.backup(docs, 'friday');
      for (let i = 50; i < 100; i++) await collection.upsert(points(`p${i}`));
      await backup;
    });
    const copy = { tenant: 'acme', name: 'copy' };
    await store.restore(copy, 'friday');
    const ids = await idsOf(copy);
    expect(ids.length).toBeGreaterThanOrEqual(50);
    expect(ids.toSorted()).toEqual(Array.from({ length: ids.length }, (_, i) => `p${i}`).toSorted());
    await store.use(copy, (collection) => collection.upsert(points('later')));
    expect((await idsOf(docs)).includes('later')).toBe(false);
    expect((await store.use(copy, async ({ spec }) => spec)).name).toBe('copy');
    await expect(store.backup(docs, 'friday')).rejects.toMatchObject({ code: 'collection_exists' });
    await expect(store.restore({ tenant: 'other', name: 'copy' }, 'friday')).rejects.toMatchObject({
      code: 'collection_not_found',
    });
  });
});
