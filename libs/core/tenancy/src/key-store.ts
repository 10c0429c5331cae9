import type { Scope, Tenant } from './tenant.js';

/** What is kept of an API key. The key itself is shown once and kept nowhere. */
export interface ApiKeyRecord {
  readonly id: string;
  readonly tenant: string;
  /** What its owner calls it. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** SHA-256 of the whole key, hex. */
  readonly hash: string;
  readonly createdUnixMs: number;
  readonly expiresUnixMs?: number;
  readonly revokedUnixMs?: number;
}

/** Port: API keys and the limits of tenants, shared by every process that asks for them. */
export interface KeyStore {
  /**
   * Another text after every change, whoever made it. Cheap: it is asked for several times a second.
   * @throws store_unavailable, as all methods
   */
  version(): Promise<string>;
  /** Revoked and expired ones as well, oldest first. */
  keys(): Promise<ApiKeyRecord[]>;
  /** By name. */
  tenants(): Promise<Tenant[]>;
  /** Adds the key, and its tenant without limits when there is none of that name. @throws invalid_request when full */
  addKey(key: ApiKeyRecord): Promise<void>;
  /** From now on the key opens nothing. The first time counts. @throws key_not_found */
  revokeKey(id: string, unixMs: number): Promise<ApiKeyRecord>;
  /** Adds the tenant or replaces its limits. @throws invalid_request when full */
  putTenant(tenant: Tenant): Promise<void>;
}
