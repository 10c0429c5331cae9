import { readFileSync } from 'node:fs';
import type { Clock } from '@tercet/base';
import { PostgresDatabase } from './postgres-database.js';
import { SqlControlStore } from './sql-control-store.js';
import { SqliteDatabase } from './sqlite-database.js';
import type { StoreConfig } from './store-config.js';

/** The control store that a configuration names. @throws store_unavailable, store_incompatible */
export function openControlStore(config: StoreConfig, clock: Clock): Promise<SqlControlStore> {
  switch (config.kind) {
    case 'sqlite':
      return SqlControlStore.open(SqliteDatabase.open({ path: config.path, clock }));
    case 'postgres': {
      const { kind: _, tls, ...address } = config;
      const ca = tls?.caPath === undefined ? {} : { ca: readFileSync(tls.caPath, 'utf8') };
      return SqlControlStore.open(new PostgresDatabase({ ...address, ...(tls === undefined ? {} : { tls: ca }) }));
    }
    default:
      return config satisfies never;
  }
}
