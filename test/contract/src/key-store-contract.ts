import { expect, test } from '@jest/globals';
import { newApiKey } from '@tercet/control-store';
import type { KeyStore, Tenant } from '@tercet/tenancy';

const about = {
  tenant: 'acme',
  name: "Bobby'); DROP TABLE",
  scopes: ['inference', 'admin'],
  createdUnixMs: 1_795_626_000_005,
} as const;
const acme: Tenant = { name: 'acme', requestsPerMinute: 60, concurrency: 4, priority: 'high', weight: 2.5 };

/** What every key store does. @param open a store of the test's own, without keys and tenants */
export function keyStoreContract(open: () => Promise<OpenKeyStore>): void {
  test('keys and tenants come back as they were put in, oldest keys first', async () => {
    await using opened = await open();
    const store = opened.keys;
    const later = newApiKey(about).record;
    const earlier = newApiKey({ ...about, createdUnixMs: 4, expiresUnixMs: 99 }).record;
    await store.addKey(later);
    await store.addKey(earlier);
    await store.putTenant({ ...acme, name: 'zeta' });
    expect(await store.keys()).toEqual([earlier, later]);
    expect(await store.tenants()).toEqual([
      { name: 'acme', priority: 'normal', weight: 1 },
      { ...acme, name: 'zeta' },
    ]);
  });

  test('the first revocation of a key counts, and what is not there cannot be revoked', async () => {
    await using opened = await open();
    const store = opened.keys;
    const { record } = newApiKey(about);
    await store.addKey(record);
    expect(await store.revokeKey(record.id, 7)).toEqual({ ...record, revokedUnixMs: 7 });
    expect(await store.revokeKey(record.id, 9)).toEqual({ ...record, revokedUnixMs: 7 });
    await expect(store.revokeKey('nobody', 9)).rejects.toMatchObject({ code: 'key_not_found' });
  });

  test('limits of a tenant are replaced, and a new key leaves those of its tenant alone', async () => {
    await using opened = await open();
    const store = opened.keys;
    await store.putTenant({ ...acme, tokensPerMinute: 0.5 });
    expect(await store.tenants()).toEqual([{ ...acme, tokensPerMinute: 0.5 }]);
    await store.putTenant(acme);
    await store.addKey(newApiKey(about).record);
    expect(await store.tenants()).toEqual([acme]);
  });

  test('the version of the keys changes with every change, and with nothing else', async () => {
    await using opened = await open();
    const store = opened.keys;
    const { record } = newApiKey(about);
    const changes = [
      () => store.putTenant(acme),
      () => store.putTenant(acme),
      () => store.addKey(record),
      () => store.revokeKey(record.id, 3),
    ];
    for (const change of changes) {
      const before = await store.version();
      await store.keys();
      await store.tenants();
      expect(await store.version()).toBe(before);
      await change();
      expect(await store.version()).not.toBe(before);
    }
  });
}

/**
 * What every key store does that several processes share.
 * @param openNew makes a store, and opens it any number of times
 */
export function sharedKeyStoreContract(openNew: () => Promise<() => Promise<OpenKeyStore>>): void {
  test('what one process changes the others see, and each change has a version of its own', async () => {
    const open = await openNew();
    await using one = await open();
    await using other = await open();
    const { record } = newApiKey(about);
    await one.keys.addKey(record);
    const seen = await other.keys.version();
    await Promise.all([
      ...Array.from({ length: 8 }, (_, i) => one.keys.putTenant({ ...acme, name: `one-${i}` })),
      ...Array.from({ length: 8 }, (_, i) => other.keys.putTenant({ ...acme, name: `other-${i}` })),
      one.keys.revokeKey(record.id, 3),
    ]);
    expect(await other.keys.keys()).toEqual([{ ...record, revokedUnixMs: 3 }]);
    expect(await one.keys.tenants()).toHaveLength(17);
    expect(Number(await other.keys.version()) - Number(seen)).toBe(17);
    expect(await one.keys.version()).toBe(await other.keys.version());
  });
}

interface OpenKeyStore extends AsyncDisposable {
  readonly keys: KeyStore;
}
