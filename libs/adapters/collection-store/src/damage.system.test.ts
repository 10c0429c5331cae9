import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import { CollectionStore } from './collection-store.js';
import { storeOptions, testSpec } from './testing/store-options.js';

const seed = Date.now() % 1_000_000;
const pointCount = 40;
const damaged = { tenant: 'acme', name: 'docs' };
const other = { tenant: 'acme', name: 'other' };

let root: string;
let sound: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'tercet-damage-'));
  sound = join(root, 'sound');
  await using store = CollectionStore.open(storeOptions(sound));
  for (const which of [damaged, other]) {
    await store.create(which.tenant, { ...testSpec, name: which.name });
    await store.use(which, async (collection) => {
      for (let i = 0; i < pointCount; i++) {
        if (i === pointCount / 2) await collection.snapshot();
        const payload = JSON.stringify({ version: i, colour: 'red', text: 'some words' });
        await collection.upsert({ ids: [`p${i}`], vectors: new Float32Array(4).fill(i), payloads: [payload] });
      }
    });
  }
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A copy of the store whose collection `docs` has its files changed. */
async function withDamage<T>(
  damage: (folder: string) => void,
  look: (store: CollectionStore) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(root, 'copy-'));
  cpSync(sound, folder, { recursive: true });
  damage(join(folder, 'collections/tenants/acme/docs'));
  await using store = CollectionStore.open(storeOptions(folder));
  return look(store);
}

function fileOf(folder: string, pattern: RegExp): string {
  const name = readdirSync(folder).find((each) => pattern.test(each));
  if (name === undefined) throw new Error(`no file like ${pattern} in ${readdirSync(folder)}`);
  return join(folder, name);
}

const sizeOf = (store: CollectionStore, which: typeof damaged) =>
  store.use(which, async ({ memory }) => memory.size).catch((error: TercetError) => error.code);

describe('damaged files', () => {
  test('a log that ends in the middle of a frame lost what nobody was told of', async () => {
    const size = await withDamage(
      (folder) => {
        const log = fileOf(folder, /\.log$/);
        truncateSync(log, readFileSync(log).length - 3);
      },
      async (store) => {
        await store.use(damaged, (collection) => collection.delete(['p0']));
        return sizeOf(store, damaged);
      },
    );
    expect(size).toBe(pointCount - 2);
  });

  test('a last frame whose blocks were never written counts as torn', async () => {
    const size = await withDamage(
      (folder) => {
        const log = fileOf(folder, /\.log$/);
        const bytes = readFileSync(log);
        writeFileSync(log, Buffer.concat([bytes, Buffer.alloc(4096)]));
      },
      (store) => sizeOf(store, damaged),
    );
    expect(size).toBe(pointCount);
  });

  test.each([
    ['a changed byte in the log', /\.log$/],
    ['a changed byte in the snapshot', /\.snap$/],
    ['a changed byte in the spec', /\.spec$/],
  ])('%s is found, wherever it is', async (_, pattern) => {
    const random = new Prng(seed);
    for (let i = 0; i < 40; i++) {
      const found = await withDamage(
        (folder) => {
          const path = fileOf(folder, pattern);
          const bytes = readFileSync(path);
          const at = random.nextBelow(bytes.length);
          bytes[at] = (bytes[at] as number) ^ (1 + random.nextBelow(255));
          writeFileSync(path, bytes);
        },
        async (store) => [await sizeOf(store, damaged), await sizeOf(store, other)],
      );
      expect([seed, ...found]).toEqual([seed, 'collection_corrupt', pointCount]);
    }
  });

  test('a snapshot that was cut, or has more behind its end, is found', async () => {
    const cut = (bytes: number) => (folder: string) => truncateSync(fileOf(folder, /\.snap$/), bytes);
    const longer = (folder: string) => {
      const path = fileOf(folder, /\.snap$/);
      writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('more')]));
    };
    for (const damage of [cut(0), cut(20), cut(500), longer]) {
      expect(await withDamage(damage, (store) => sizeOf(store, damaged))).toBe('collection_corrupt');
    }
  });

  test('a log whose beginning is missing is found', async () => {
    const gone = (folder: string) => rmSync(fileOf(folder, /\.snap$/));
    expect(await withDamage(gone, (store) => sizeOf(store, damaged))).toBe('collection_corrupt');
  });

  test('the log of another collection is found', async () => {
    const foreign = join(root, 'foreign');
    {
      await using store = CollectionStore.open(storeOptions(foreign));
      await store.create('acme', { ...testSpec, dimensions: 3 });
      await store.use(damaged, (collection) =>
        collection.upsert({ ids: ['a'], vectors: new Float32Array(3), payloads: [] }),
      );
    }
    const log = fileOf(join(foreign, 'collections/tenants/acme/docs'), /\.log$/);
    const swap = (folder: string) => {
      rmSync(fileOf(folder, /\.snap$/));
      rmSync(fileOf(folder, /\.log$/));
      copyFileSync(log, join(folder, 'log-0000000000000001.log'));
    };
    expect(await withDamage(swap, (store) => sizeOf(store, damaged))).toBe('collection_corrupt');
  });

  test('a store is open to one process at a time', () => {
    const folder = join(root, 'twice');
    const store = CollectionStore.open(storeOptions(folder));
    expect(() => CollectionStore.open(storeOptions(folder))).toThrow(TercetError);
    return store[Symbol.asyncDispose]();
  });
});
