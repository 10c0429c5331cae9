import { readFileSync } from 'node:fs';
import { PostgresDatabase, SqlControlStore, SqliteDatabase } from '@tercet/control-store';
import type { ControlStore } from '@tercet/jobs';
import { systemClock } from '@tercet/telemetry';
import type { GatewayConfig } from './config.js';

/** The control store that the configuration names. @throws store_unavailable, store_incompatible */
export function openStore(config: GatewayConfig['store']): Promise<ControlStore> {
  switch (config.kind) {
    case 'sqlite':
      return SqlControlStore.open(SqliteDatabase.open({ path: config.path, clock: systemClock }));
    case 'postgres': {
      const { kind: _, tls, ...address } = config;
      const ca = tls?.caPath === undefined ? {} : { ca: readFileSync(tls.caPath, 'utf8') };
      return SqlControlStore.open(new PostgresDatabase({ ...address, ...(tls === undefined ? {} : { tls: ca }) }));
    }
    default:
      return config satisfies never;
  }
}
