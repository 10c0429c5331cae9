import { TercetError } from '@tercet/contracts';
import type { ApiKeyRecord, KeyStore } from './key-store.js';
import { type Tenant, unlimited } from './tenant.js';

/** Keys and tenants of one process, for tests. */
export class MemoryKeyStore implements KeyStore {
  #changes = 0;
  readonly #keys = new Map<string, ApiKeyRecord>();
  readonly #tenants = new Map<string, Tenant>();

  async version(): Promise<string> {
    return String(this.#changes);
  }

  async keys(): Promise<ApiKeyRecord[]> {
    const byId = (a: ApiKeyRecord, b: ApiKeyRecord) => (a.id < b.id ? -1 : 1);
    return [...this.#keys.values()].sort((a, b) => a.createdUnixMs - b.createdUnixMs || byId(a, b));
  }

  async tenants(): Promise<Tenant[]> {
    return [...this.#tenants.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async addKey(key: ApiKeyRecord): Promise<void> {
    this.#changes++;
    this.#keys.set(key.id, key);
    if (!this.#tenants.has(key.tenant)) this.#tenants.set(key.tenant, { name: key.tenant, ...unlimited });
  }

  async revokeKey(id: string, unixMs: number): Promise<ApiKeyRecord> {
    const key = this.#keys.get(id);
    if (key === undefined) throw new TercetError('key_not_found', { id });
    const revoked = { ...key, revokedUnixMs: key.revokedUnixMs ?? unixMs };
    await this.addKey(revoked);
    return revoked;
  }

  async putTenant(tenant: Tenant): Promise<void> {
    this.#changes++;
    this.#tenants.set(tenant.name, tenant);
  }
}
