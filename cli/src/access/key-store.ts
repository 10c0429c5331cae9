import { userInfo } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@tercet/config';
import { openControlStore, storeConfig } from '@tercet/control-store';
import { type AuditEntry, AuditLog } from '@tercet/telemetry';
import type { KeyStore } from '@tercet/tenancy';
import { Option } from 'commander';
import { z } from 'zod';
import { controlStorePath, environment, stateFolder } from '../config.js';

/** What the commands on keys and tenants need: where keys are kept, and where it is written down who changed them. */
export interface AuditedKeyStore extends AsyncDisposable {
  readonly store: KeyStore;
  audit(event: AuditEntry['event'], fields: AuditEntry['fields']): void;
}

/** Which gateway's keys a command is about. */
export function configOption(): Option {
  return new Option('--config <file>', 'configuration of the gateway whose store it is; default: that of this user');
}

/**
 * @param configPath of the gateway; its store is opened, with what the environment says of it, a password for example
 * @throws config_invalid, store_unavailable, store_incompatible
 */
export async function openKeyStore(configPath?: string): Promise<AuditedKeyStore> {
  const Gateway = z.object({ store: storeConfig(controlStorePath()) });
  const file = configPath === undefined ? {} : { file: configPath };
  const { store: config } = loadConfig(Gateway, { ...file, environment, section: 'GATEWAY' });
  const log = AuditLog.open(join(stateFolder(), 'audit.log'), () => Date.now());
  const clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };
  const control = await openControlStore(config, clock);
  const actor = `user ${userInfo().username}`;
  return {
    store: control.keys,
    audit: (event, fields) => log.write({ event, actor, fields }),
    [Symbol.asyncDispose]: async () => {
      await control[Symbol.asyncDispose]();
      log[Symbol.dispose]();
    },
  };
}
