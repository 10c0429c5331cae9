import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from '@jest/globals';
import { newApiKey, openControlStore, type StoreConfig } from '@tercet/control-store';
import { systemClock } from '@tercet/telemetry';
import { needs, PrivatePostgres } from '@tercet/testing';
import { GatewayCount } from './gateway-count.js';
import { KeyRing } from './key-ring.js';

const log = { info: () => undefined, error: () => undefined };
const folder = mkdtempSync(join(tmpdir(), 'tercet-keys-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('gateways that share a file', () => {
  shareKeys(async () => ({ kind: 'sqlite', path: join(folder, 'control.db') }));
});

const postgres = needs('postgres');
if (postgres !== undefined) {
  describe('gateways that share a PostgreSQL', () => {
    let server: PrivatePostgres;
    afterAll(() => server?.[Symbol.asyncDispose]());
    shareKeys(async () => {
      server = await PrivatePostgres.start(postgres);
      return { kind: 'postgres', ...server.address, connectionsMax: 2 };
    });
  });
}

function shareKeys(start: () => Promise<StoreConfig>): void {
  test('hear of a key and of its end within a second, and each gives its part of the limits', async () => {
    const config = await start();
    await using stack = new AsyncDisposableStack();
    const admin = stack.use(await openControlStore(config, systemClock));
    const gateways = await Promise.all(
      [1, 2].map(async () => {
        const { keys: store, presence } = stack.use(await openControlStore(config, systemClock));
        const ring = stack.use(await KeyRing.open({ store, clock: systemClock, log, pollMs: 250, staleMsMax: 30_000 }));
        return { ring, count: stack.use(await GatewayCount.open({ presence, log, beatMs: 100 })) };
      }),
    );
    const { key, record } = newApiKey({ tenant: 'acme', name: '', scopes: ['inference'], createdUnixMs: 1 });
    const eachHears = async (hears: (gateway: (typeof gateways)[number]) => boolean) => {
      const startMs = performance.now();
      while (!gateways.every(hears)) await sleep(5);
      return performance.now() - startMs;
    };
    await admin.keys.addKey(record);
    expect(await eachHears(({ ring }) => isTaken(ring, key))).toBeLessThan(1000);
    await admin.keys.revokeKey(record.id, 2);
    expect(await eachHears(({ ring }) => !isTaken(ring, key))).toBeLessThan(1000);
    await admin.keys.putTenant({ name: 'acme', tokensPerMinute: 900, priority: 'normal', weight: 1 });
    await eachHears(({ ring, count }) => {
      const limits = ring.limitsOf('acme');
      return limits !== undefined && count.partOf(limits).tokensPerMinute === 450;
    });
    await gateways[0]?.count[Symbol.asyncDispose]();
    const left = gateways.slice(1).map(({ count }) => count);
    while (!left.every((count) => count.partOf({ concurrency: 4, ...normal }).concurrency === 4)) await sleep(5);
  }, 60_000);
}

const normal = { priority: 'normal', weight: 1 } as const;

function isTaken(ring: KeyRing, key: string): boolean {
  try {
    ring.keyOf(key);
    return true;
  } catch {
    return false;
  }
}
