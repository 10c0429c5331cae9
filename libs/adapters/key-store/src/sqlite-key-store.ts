import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { TercetError, toTercetError } from '@tercet/contracts';
import {
  type ApiKeyRecord,
  scopes as allScopes,
  type KeyStore,
  type Priority,
  type Scope,
  type Tenant,
  unlimited,
} from '@tercet/tenancy';

/** Every process keeps all of them in memory. */
const rowsMax = 10_000;
const busyTimeoutMs = 2000;
const schemaVersion = 1;

const schema = `
  CREATE TABLE tenants (
    name TEXT PRIMARY KEY,
    requests_per_minute REAL,
    tokens_per_minute REAL,
    concurrency INTEGER,
    priority TEXT NOT NULL,
    weight REAL NOT NULL
  ) STRICT;
  CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (name),
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    expires_unix_ms INTEGER,
    revoked_unix_ms INTEGER
  ) STRICT;
  PRAGMA user_version = ${schemaVersion};
`;

type Row = Record<string, SQLInputValue>;

/** API keys and tenants in a file of this machine, which only its user may read. Many processes may have it open. */
export class SqliteKeyStore implements KeyStore {
  readonly #database: DatabaseSync;
  #writes = 0;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Opens the file, and makes it where there is none. @throws store_unavailable */
  static open(path: string): SqliteKeyStore {
    return guarded(() => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      const database = new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true });
      chmodSync(path, 0o600);
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
      const store = new SqliteKeyStore(database);
      store.#migrate(path);
      return store;
    });
  }

  async version(): Promise<string> {
    // SQLite's counter grows with what others write; what this connection writes is counted here.
    const [row] = this.#rows('PRAGMA data_version');
    return `${row?.data_version}.${this.#writes}`;
  }

  async keys(): Promise<ApiKeyRecord[]> {
    return this.#rows('SELECT * FROM api_keys ORDER BY created_unix_ms, id').map(keyOf);
  }

  async tenants(): Promise<Tenant[]> {
    return this.#rows('SELECT * FROM tenants ORDER BY name').map(tenantOf);
  }

  async addKey(key: ApiKeyRecord): Promise<void> {
    const { id, tenant, name, scopes, hash, createdUnixMs, expiresUnixMs = null } = key;
    this.#transaction(() => {
      this.#insertTenant({ name: tenant, ...unlimited }, 'ON CONFLICT (name) DO NOTHING');
      this.#run('INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, NULL)', [
        ...[id, tenant, name, scopes.join(' '), hash],
        ...[createdUnixMs, expiresUnixMs],
      ]);
      this.#refuseOverflow('api_keys');
    });
  }

  async revokeKey(id: string, unixMs: number): Promise<ApiKeyRecord> {
    return this.#transaction(() => {
      this.#run('UPDATE api_keys SET revoked_unix_ms = coalesce(revoked_unix_ms, ?) WHERE id = ?', [unixMs, id]);
      const [row] = this.#rows('SELECT * FROM api_keys WHERE id = ?', [id]);
      if (row === undefined) throw new TercetError('key_not_found', { id });
      return keyOf(row);
    });
  }

  async putTenant(tenant: Tenant): Promise<void> {
    const columns = ['requests_per_minute', 'tokens_per_minute', 'concurrency', 'priority', 'weight'];
    const update = columns.map((column) => `${column} = excluded.${column}`).join(', ');
    this.#transaction(() => this.#insertTenant(tenant, `ON CONFLICT (name) DO UPDATE SET ${update}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
  }

  /** Two processes may open a new file at the same time: the second finds the work of the first. */
  #migrate(path: string): void {
    this.#transaction(() => {
      const found = this.#rows('PRAGMA user_version')[0]?.user_version;
      if (found === 0) this.#database.exec(schema);
      else if (found !== schemaVersion) {
        throw new TercetError('store_unavailable', { path, schemaVersion: Number(found), expected: schemaVersion });
      }
    });
  }

  #insertTenant(tenant: Tenant, onConflict: string): void {
    const { name, requestsPerMinute = null, tokensPerMinute = null, concurrency = null, priority, weight } = tenant;
    const values = [name, requestsPerMinute, tokensPerMinute, concurrency, priority, weight];
    this.#run(`INSERT INTO tenants VALUES (?, ?, ?, ?, ?, ?) ${onConflict}`, values);
    this.#refuseOverflow('tenants');
  }

  /** Inside a transaction, which the error undoes. */
  #refuseOverflow(table: 'api_keys' | 'tenants'): void {
    const rows = Number(this.#rows(`SELECT count(*) AS rows FROM ${table}`)[0]?.rows);
    if (rows > rowsMax) throw new TercetError('invalid_request', { reason: `${table} is full`, rowsMax });
  }

  #transaction<T>(work: () => T): T {
    return guarded(() => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.#database.exec('COMMIT');
        return result;
      } catch (error) {
        this.#database.exec('ROLLBACK');
        throw error;
      }
    });
  }

  #run(sql: string, values: readonly SQLInputValue[]): void {
    guarded(() => this.#database.prepare(sql).run(...values));
    this.#writes++;
  }

  #rows(sql: string, values: readonly SQLInputValue[] = []): Row[] {
    return guarded(() => this.#database.prepare(sql).all(...values) as Row[]);
  }
}

function keyOf(row: Row): ApiKeyRecord {
  return {
    id: String(row.id),
    tenant: String(row.tenant),
    name: String(row.name),
    scopes: String(row.scopes)
      .split(' ')
      .filter((scope): scope is Scope => (allScopes as readonly string[]).includes(scope)),
    hash: String(row.hash),
    createdUnixMs: Number(row.created_unix_ms),
    ...(row.expires_unix_ms === null ? {} : { expiresUnixMs: Number(row.expires_unix_ms) }),
    ...(row.revoked_unix_ms === null ? {} : { revokedUnixMs: Number(row.revoked_unix_ms) }),
  };
}

function tenantOf(row: Row): Tenant {
  return {
    name: String(row.name),
    ...(row.requests_per_minute === null ? {} : { requestsPerMinute: Number(row.requests_per_minute) }),
    ...(row.tokens_per_minute === null ? {} : { tokensPerMinute: Number(row.tokens_per_minute) }),
    ...(row.concurrency === null ? {} : { concurrency: Number(row.concurrency) }),
    priority: row.priority as Priority,
    weight: Number(row.weight),
  };
}

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toTercetError(error, 'store_unavailable');
  }
}
