import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { SqliteKeyStore } from '@tercet/key-store';
import { type AuditEntry, AuditLog } from '@tercet/telemetry';
import { keysPath } from '../config.js';

/** What the commands on keys and tenants need: where keys are kept, and where it is written down who changed them. */
export interface KeyFiles extends AsyncDisposable {
  readonly store: SqliteKeyStore;
  audit(event: AuditEntry['event'], fields: AuditEntry['fields']): void;
}

/** @param path of the key store; absent: that of this user's system @throws store_unavailable */
export function openKeyFiles(path = keysPath()): KeyFiles {
  const log = AuditLog.open(join(dirname(path), 'audit.log'), () => Date.now());
  const store = SqliteKeyStore.open(path);
  const actor = `user ${userInfo().username}`;
  return {
    store,
    audit: (event, fields) => log.write({ event, actor, fields }),
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      log[Symbol.dispose]();
    },
  };
}
