import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import { newApiKey } from '@tercet/control-store';
import { type ApiKeyRecord, MemoryKeyStore, type Scope, unlimited } from '@tercet/tenancy';
import { Access } from './access.js';
import { KeyRing } from './key-ring.js';

/** Fails while it is `lost`. */
class LosableKeyStore extends MemoryKeyStore {
  lost = false;
  reads = 0;

  override async version(): Promise<string> {
    if (this.lost) throw new TercetError('store_unavailable');
    return super.version();
  }

  override async keys(): Promise<ApiKeyRecord[]> {
    this.reads++;
    return super.keys();
  }
}

const clock = new ManualClock(1_000_000);
let store: LosableKeyStore;
let keys: KeyRing;
beforeEach(async () => {
  store = new LosableKeyStore();
  const log = { info: () => undefined, error: () => undefined };
  keys = await KeyRing.open({ store, clock, log, pollMs: 1_000_000, staleMsMax: 5000 });
});
afterEach(() => keys[Symbol.asyncDispose]());

async function keyWith(more: Partial<ApiKeyRecord> = {}): Promise<{ key: string; record: ApiKeyRecord }> {
  const about = { tenant: 'acme', name: '', scopes: ['inference'] as Scope[], createdUnixMs: 0, ...more };
  const made = newApiKey(about);
  await store.addKey(made.record);
  await keys.refresh();
  return made;
}

const refused = (code: string, details: object) => expect.objectContaining({ code, details });

describe('where keys are required', () => {
  const access = () => new Access({ keys, required: true });

  test.each([{ scheme: 'Bearer' }, { scheme: 'bearer' }, { scheme: 'BEARER ' }])(
    '$scheme names the caller',
    async ({ scheme }) => {
      const { key, record } = await keyWith();
      const caller = access().callerOf(`${scheme} ${key}`, 'inference');
      expect(caller).toEqual({ tenant: 'acme', keyId: record.id, scopes: ['inference'] });
    },
  );

  test.each([
    { header: undefined, reason: 'no key' },
    { header: '', reason: 'no key' },
    { header: 'Bearer', reason: 'no key' },
    { header: 'Basic dXNlcjpwYXNz', reason: 'no key' },
    { header: 'Bearer sk-something', reason: 'not the form of a key' },
    { header: `Bearer tck_${'A'.repeat(11)}_${'A'.repeat(49)}`, reason: 'not the form of a key' },
    { header: `Bearer ${newApiKey({ tenant: 'x', name: '', scopes: [], createdUnixMs: 0 }).key}`, reason: 'not known' },
  ])('$header: $reason', ({ header, reason }) => {
    expect(() => access().callerOf(header, 'inference')).toThrow(refused('unauthenticated', { reason }));
  });

  test('a key whose id is known and whose secret is not opens nothing', async () => {
    const { record } = await keyWith();
    const forged = newApiKey({ ...record, createdUnixMs: 0 });
    await store.addKey({ ...record, id: forged.record.id });
    await keys.refresh();
    expect(() => access().callerOf(`Bearer ${forged.key}`, 'inference')).toThrow(
      refused('unauthenticated', { reason: 'not known' }),
    );
  });

  test('a key without the scope is forbidden, and told which one is needed', async () => {
    const { key, record } = await keyWith({ scopes: ['inference'] });
    const error = refused('forbidden', { keyId: record.id, needs: 'admin' });
    expect(() => access().callerOf(`Bearer ${key}`, 'admin')).toThrow(error);
  });

  test('a revoked key and an expired key open nothing', async () => {
    const { key, record } = await keyWith({ expiresUnixMs: clock.unixMs() + 10 });
    const header = `Bearer ${key}`;
    expect(access().callerOf(header, 'inference')).toMatchObject({ tenant: 'acme' });
    clock.advance(10);
    const ended = (reason: string) => refused('unauthenticated', { keyId: record.id, reason });
    expect(() => access().callerOf(header, 'inference')).toThrow(ended('expired'));
    await store.revokeKey(record.id, clock.unixMs());
    await keys.refresh();
    expect(() => access().callerOf(header, 'inference')).toThrow(ended('revoked'));
  });

  test('every refusal is told by its reason, and a caller that is let in is not', async () => {
    const heard: string[] = [];
    const told = new Access({ keys, required: true, onRefused: (reason) => heard.push(reason) });
    const { key } = await keyWith({ scopes: ['inference'] });
    told.callerOf(`Bearer ${key}`, 'inference');
    for (const header of [undefined, 'Bearer sk-something', `Bearer ${key}`]) {
      expect(() => told.callerOf(header, 'admin')).toThrow();
    }
    clock.advance(6000);
    expect(() => told.callerOf(`Bearer ${key}`, 'inference')).toThrow(
      expect.objectContaining({ code: 'store_unavailable' }),
    );
    expect(heard).toEqual(['no key', 'not the form of a key', 'scope']);
  });

  test('no refusal holds the key', async () => {
    const { key } = await keyWith({ scopes: [] });
    for (const text of [key, `${key}x`]) {
      let message = '';
      try {
        access().callerOf(`Bearer ${text}`, 'inference');
      } catch (error) {
        message = JSON.stringify([(error as Error).message, (error as TercetError).details]);
      }
      expect(message).not.toBe('');
      expect(message).not.toContain(key.slice(20, 40));
    }
  });
});

describe('where keys are not required', () => {
  const everything = { tenant: '', scopes: ['inference', 'admin'] };

  test.each([{ header: undefined }, { header: 'Bearer sk-any' }, { header: 'Basic x' }])(
    '$header is anonymous, who may do everything',
    ({ header }) => {
      expect(new Access({ keys, required: false }).callerOf(header, 'admin')).toEqual(everything);
    },
  );

  test('a key of ours names its tenant, and must be valid', async () => {
    const access = new Access({ keys, required: false });
    const { key } = await keyWith();
    expect(access.callerOf(`Bearer ${key}`, 'inference')).toMatchObject({ tenant: 'acme' });
    expect(() => access.callerOf(`Bearer ${key}`, 'admin')).toThrow(expect.objectContaining({ code: 'forbidden' }));
    expect(() => access.callerOf('Bearer tck_x', 'inference')).toThrow(
      expect.objectContaining({ code: 'unauthenticated' }),
    );
  });
});

describe('KeyRing', () => {
  test('reads the store only when it changed', async () => {
    const before = store.reads;
    await keys.refresh();
    expect(store.reads).toBe(before);
    await store.putTenant({ ...unlimited, name: 'acme', concurrency: 3 });
    expect(keys.limitsOf('acme')).toBeUndefined();
    await keys.refresh();
    expect(keys.limitsOf('acme')).toMatchObject({ concurrency: 3 });
  });

  test('what it knows holds for a while without the store, then no key does', async () => {
    const { key } = await keyWith();
    store.lost = true;
    await expect(keys.refresh()).rejects.toMatchObject({ code: 'store_unavailable' });
    clock.advance(5000);
    expect(keys.keyOf(key)).toMatchObject({ tenant: 'acme' });
    clock.advance(1);
    expect(() => keys.keyOf(key)).toThrow(expect.objectContaining({ code: 'store_unavailable' }));
    store.lost = false;
    await keys.refresh();
    expect(keys.keyOf(key)).toMatchObject({ tenant: 'acme' });
  });
});
