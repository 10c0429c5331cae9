import { TercetError } from '@tercet/contracts';
import pg from 'pg';
import type { Database, Dialect, Sql, SqlRow, SqlValue } from './sql.js';

export interface PostgresAddress {
  /** A name, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password?: string;
  /** The server's certificate is checked, against this authority where one is given (PEM). */
  readonly tls?: { readonly ca?: string };
  readonly connectionsMax: number;
}

const dialect: Dialect = {
  bytes: 'BYTEA',
  id: 'TEXT COLLATE "C"',
  recordBytes: "CAST(record::json ->> 'bytes' AS BIGINT)",
  forUpdate: 'FOR UPDATE',
  skipLocked: 'FOR UPDATE SKIP LOCKED',
  lockMigrations: 'SELECT pg_advisory_xact_lock(7237138)',
};

const connectTimeoutMs = 5000;
const statementTimeoutMs = 60_000;

/** Sums and counts are larger than what the driver takes for a number; here none is. */
const int8 = 20;
const numeric = 1700;
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === int8 || oid === numeric ? Number : pg.types.getTypeParser(oid, format as 'text'),
} as pg.CustomTypesConfig;

export class PostgresDatabase implements Database {
  readonly dialect = dialect;
  readonly #pool: pg.Pool;

  constructor({ connectionsMax, tls, ...address }: PostgresAddress) {
    this.#pool = new pg.Pool({
      ...address,
      ...(tls === undefined ? {} : { ssl: { rejectUnauthorized: true, ...tls } }),
      max: connectionsMax,
      connectionTimeoutMillis: connectTimeoutMs,
      statement_timeout: statementTimeoutMs,
      application_name: 'tercet',
      types,
    });
    // A connection that breaks is replaced, and whoever waits on it hears of it; without a listener, idle or in the
    // middle of a transaction, it would end the process.
    this.#pool.on('error', () => undefined);
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
  }

  async nowMs(): Promise<number> {
    const [row] = await this.rows('SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS ms');
    return Number(row?.ms);
  }

  async rows(text: string, values: readonly SqlValue[] = []): Promise<SqlRow[]> {
    return guarded(() => query(this.#pool, text, values));
  }

  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const client = await guarded(() => this.#pool.connect());
    const sql: Sql = { rows: (text, values = []) => guarded(() => query(client, text, values)) };
    let broken = false;
    try {
      await sql.rows('BEGIN');
      const result = await work(sql);
      await sql.rows('COMMIT');
      return result;
    } catch (error) {
      broken = await sql.rows('ROLLBACK').then(
        () => false,
        () => true,
      );
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end();
  }
}

async function query(on: pg.Pool | pg.PoolClient, text: string, values: readonly SqlValue[]): Promise<SqlRow[]> {
  const parameters = values.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value));
  const { rows } = await on.query<SqlRow>(text, parameters);
  return rows;
}

/**
 * Classes of SQLSTATE that mean a bug of ours, https://www.postgresql.org/docs/current/errcodes-appendix.html: wrong
 * data, violated constraint, wrong statement. All else is the database that does not answer as it should.
 */
const bugs = /^(22|23|42)/;
const diskFull = '53100';

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code = '', message } = cause as Error & { code?: string };
    if (bugs.test(code)) throw new Error(`bug: ${message} (${code})`, { cause });
    throw new TercetError(code === diskFull ? 'disk_full' : 'store_unavailable', { reason: message }, { cause });
  }
}
