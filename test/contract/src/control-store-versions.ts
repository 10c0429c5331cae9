import { expect, test } from '@jest/globals';
import { type PostgresDatabase, SqlControlStore, type SqliteDatabase } from '@tercet/control-store';
import { unlimited } from '@tercet/tenancy';
import { fileOf } from './control-store-data.js';

type Connect = () => SqliteDatabase | PostgresDatabase;

/** @param newDatabase makes a database, and connects to it any number of times */
export function refusesNewer(newDatabase: () => Connect | Promise<Connect>): void {
  test('a database that a newer version wrote is refused and left as it is', async () => {
    const connect = await newDatabase();
    await (await SqlControlStore.open(connect()))[Symbol.asyncDispose]();
    await using newer = connect();
    await newer.rows('INSERT INTO schema_version (version) VALUES (999)');
    await expect(SqlControlStore.open(connect())).rejects.toMatchObject({
      code: 'store_incompatible',
      details: { found: 999 },
    });
    const versions = await newer.rows('SELECT version FROM schema_version ORDER BY version');
    expect(versions.map(({ version }) => version)).toEqual([2, 999]);
  });
}

/** @param newDatabase makes a database, and connects to it any number of times */
export function bringsOlder(newDatabase: () => Connect | Promise<Connect>): void {
  test('a database of the version before keys keeps what it has and takes keys', async () => {
    const connect = await newDatabase();
    {
      await using store = await SqlControlStore.open(connect());
      await store.files.publish(fileOf('file-a'));
    }
    {
      await using old = connect();
      for (const table of ['api_keys', 'tenants', 'key_changes', 'gateways']) await old.rows(`DROP TABLE ${table}`);
      await old.rows('DROP INDEX jobs_untold');
      await old.rows('ALTER TABLE jobs DROP COLUMN told');
      await old.rows('UPDATE schema_version SET version = 1');
    }
    await using store = await SqlControlStore.open(connect());
    expect(await store.files.get('file-a')).toEqual(fileOf('file-a'));
    await store.keys.putTenant({ name: 'acme', ...unlimited });
    expect(await store.keys.tenants()).toEqual([{ name: 'acme', ...unlimited }]);
  });
}
