import { TercetError } from '@tercet/contracts';
import {
  type ApiKeyRecord,
  scopes as allScopes,
  type KeyStore,
  type Priority,
  type Scope,
  type Tenant,
  unlimited,
} from '@tercet/tenancy';
import { type Database, numberOf, type Sql, type SqlRow, textOf } from './sql.js';

/** Every gateway keeps all of them in memory. */
const rowsMax = 10_000;

export class KeyTable implements KeyStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async version(): Promise<string> {
    const [row] = await this.#database.rows('SELECT changes FROM key_changes');
    return textOf(row, 'changes');
  }

  async keys(): Promise<ApiKeyRecord[]> {
    return (await this.#database.rows('SELECT * FROM api_keys ORDER BY created_ms, id')).map(keyOf);
  }

  async tenants(): Promise<Tenant[]> {
    return (await this.#database.rows('SELECT * FROM tenants ORDER BY name')).map(tenantOf);
  }

  addKey(key: ApiKeyRecord): Promise<void> {
    const { id, tenant, name, scopes, hash, createdUnixMs, expiresUnixMs = null } = key;
    const insert = `INSERT INTO api_keys (id, tenant, name, scopes, hash, created_ms, expires_ms)
      VALUES ($1, $2, $3, $4, $5, $6, $7)`;
    return this.#change(async (sql) => {
      await insertTenant(sql, { name: tenant, ...unlimited }, 'NOTHING');
      await sql.rows(insert, [id, tenant, name, scopes.join(' '), hash, createdUnixMs, expiresUnixMs]);
      await refuseOverflow(sql, 'api_keys');
    });
  }

  revokeKey(id: string, unixMs: number): Promise<ApiKeyRecord> {
    const update = 'UPDATE api_keys SET revoked_ms = COALESCE(revoked_ms, $2) WHERE id = $1 RETURNING *';
    return this.#change(async (sql) => {
      const [row] = await sql.rows(update, [id, unixMs]);
      if (row === undefined) throw new TercetError('key_not_found', { id });
      return keyOf(row);
    });
  }

  putTenant(tenant: Tenant): Promise<void> {
    const columns = ['requests_per_minute', 'tokens_per_minute', 'concurrency', 'priority', 'weight'];
    const update = columns.map((column) => `${column} = excluded.${column}`).join(', ');
    return this.#change((sql) => insertTenant(sql, tenant, `UPDATE SET ${update}`));
  }

  /** Counts the change, which every gateway looks for. Of several changes at a time one happens after the other. */
  #change<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#database.transaction(async (sql) => {
      await sql.rows('UPDATE key_changes SET changes = changes + 1');
      return work(sql);
    });
  }
}

/** @param onConflict what is done where there is a tenant of that name */
async function insertTenant(sql: Sql, tenant: Tenant, onConflict: string): Promise<void> {
  const { name, requestsPerMinute = null, tokensPerMinute = null, concurrency = null, priority, weight } = tenant;
  const insert = `INSERT INTO tenants (name, requests_per_minute, tokens_per_minute, concurrency, priority, weight)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO ${onConflict}`;
  await sql.rows(insert, [name, requestsPerMinute, tokensPerMinute, concurrency, priority, weight]);
  await refuseOverflow(sql, 'tenants');
}

/** Inside a transaction, which the error undoes. */
async function refuseOverflow(sql: Sql, table: 'api_keys' | 'tenants'): Promise<void> {
  const [row] = await sql.rows(`SELECT COUNT(*) AS found FROM ${table}`);
  if (numberOf(row, 'found') > rowsMax)
    throw new TercetError('invalid_request', { reason: `${table} is full`, rowsMax });
}

function keyOf(row: SqlRow): ApiKeyRecord {
  return {
    id: textOf(row, 'id'),
    tenant: textOf(row, 'tenant'),
    name: textOf(row, 'name'),
    scopes: textOf(row, 'scopes')
      .split(' ')
      .filter((scope): scope is Scope => (allScopes as readonly string[]).includes(scope)),
    hash: textOf(row, 'hash'),
    createdUnixMs: numberOf(row, 'created_ms'),
    ...(row.expires_ms === null ? {} : { expiresUnixMs: numberOf(row, 'expires_ms') }),
    ...(row.revoked_ms === null ? {} : { revokedUnixMs: numberOf(row, 'revoked_ms') }),
  };
}

function tenantOf(row: SqlRow): Tenant {
  return {
    name: textOf(row, 'name'),
    ...(row.requests_per_minute === null ? {} : { requestsPerMinute: numberOf(row, 'requests_per_minute') }),
    ...(row.tokens_per_minute === null ? {} : { tokensPerMinute: numberOf(row, 'tokens_per_minute') }),
    ...(row.concurrency === null ? {} : { concurrency: numberOf(row, 'concurrency') }),
    priority: row.priority as Priority,
    weight: numberOf(row, 'weight'),
  };
}
