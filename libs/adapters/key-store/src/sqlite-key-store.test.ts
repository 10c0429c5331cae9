import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type ApiKeyRecord, isApiKey, type Tenant } from '@tercet/tenancy';
import { hasHash, newApiKey } from './key-secret.js';
import { SqliteKeyStore } from './sqlite-key-store.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-keys-'));
  path = join(folder, 'state', 'keys.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const about = {
  tenant: 'acme',
  name: "Bobby'); DROP TABLE",
  scopes: ['inference', 'admin'],
  createdUnixMs: 5,
} as const;
const acme: Tenant = { name: 'acme', requestsPerMinute: 60, concurrency: 4, priority: 'high', weight: 2.5 };

describe('SqliteKeyStore', () => {
  test('gives back what was put in, also to another process', async () => {
    await using store = SqliteKeyStore.open(path);
    await using other = SqliteKeyStore.open(path);
    const first = newApiKey(about).record;
    const second = newApiKey({ ...about, createdUnixMs: 4, expiresUnixMs: 99 }).record;
    await store.addKey(first);
    await other.addKey(second);
    await store.putTenant({ ...acme, name: 'zeta' });
    for (const each of [store, other]) {
      expect(await each.keys()).toEqual([second, first]);
      expect(await each.tenants()).toEqual([
        { name: 'acme', priority: 'normal', weight: 1 },
        { ...acme, name: 'zeta' },
      ]);
    }
  });

  test('the first revocation counts, and what is not there cannot be revoked', async () => {
    await using store = SqliteKeyStore.open(path);
    const { record } = newApiKey(about);
    await store.addKey(record);
    expect(await store.revokeKey(record.id, 7)).toEqual({ ...record, revokedUnixMs: 7 });
    expect(await store.revokeKey(record.id, 9)).toEqual({ ...record, revokedUnixMs: 7 });
    await expect(store.revokeKey('nobody', 9)).rejects.toMatchObject({ code: 'key_not_found' });
  });

  test('limits are replaced, and a new key leaves those of its tenant alone', async () => {
    await using store = SqliteKeyStore.open(path);
    await store.putTenant({ ...acme, tokensPerMinute: 9 });
    await store.putTenant(acme);
    await store.addKey(newApiKey(about).record);
    expect(await store.tenants()).toEqual([acme]);
  });

  test('the version changes with every change, whoever makes it, and with nothing else', async () => {
    await using store = SqliteKeyStore.open(path);
    await using other = SqliteKeyStore.open(path);
    const { record } = newApiKey(about);
    const changes = [
      () => other.putTenant(acme),
      () => store.putTenant(acme),
      () => other.addKey(record),
      () => store.revokeKey(record.id, 3),
    ];
    for (const change of changes) {
      const before = await store.version();
      await store.keys();
      await other.tenants();
      expect(await store.version()).toBe(before);
      await change();
      expect(await store.version()).not.toBe(before);
    }
  });

  test('holds no key, and only its user may read it', async () => {
    const { key, record } = newApiKey(about);
    {
      await using store = SqliteKeyStore.open(path);
      await store.addKey(record);
    }
    expect(readFileSync(path).includes(key.slice(16))).toBe(false);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('a file that is none, or of another version, is refused', async () => {
    const other = join(folder, 'other.sqlite');
    const database = new DatabaseSync(other);
    database.exec('PRAGMA user_version = 2');
    database.close();
    const text = join(folder, 'text');
    writeFileSync(text, 'no database, but long enough to be looked at as one'.repeat(40));
    for (const wrong of [other, text, join(text, 'below-a-file')]) {
      expect(() => SqliteKeyStore.open(wrong)).toThrow(expect.objectContaining({ code: 'store_unavailable' }));
    }
  });
});

describe('a new key', () => {
  test('has the form of one, and its record knows it and no other', () => {
    const [one, two] = [newApiKey(about), newApiKey(about)];
    expect(isApiKey(one.key)).toBe(true);
    expect(one.key).toContain(one.record.id);
    const knows = ({ record }: { record: ApiKeyRecord }, { key }: { key: string }) => hasHash(record, key);
    expect([knows(one, one), knows(one, two), knows(two, one)]).toEqual([true, false, false]);
    expect(JSON.stringify(one.record)).not.toContain(one.key.slice(16));
  });
});
