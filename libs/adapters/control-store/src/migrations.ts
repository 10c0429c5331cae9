import { TercetError } from '@tercet/contracts';
import { type Database, type Dialect, numberOf } from './sql.js';

/**
 * What leads from each version of the schema to the next. One that was released is never changed. Times are
 * milliseconds since 1970; `record` is the JSON of the object, of which columns repeat only what is searched for.
 */
const migrations: readonly ((dialect: Dialect) => readonly string[])[] = [
  ({ bytes, id }) => [
    `CREATE TABLE files (
      id ${id} PRIMARY KEY, tenant TEXT NOT NULL, purpose TEXT NOT NULL, created_ms BIGINT NOT NULL,
      expires_ms BIGINT, record TEXT NOT NULL)`,
    'CREATE INDEX files_by_time ON files (tenant, created_ms, id)',
    'CREATE INDEX files_by_expiry ON files (expires_ms) WHERE expires_ms IS NOT NULL',
    `CREATE TABLE uploads (file_id ${id} PRIMARY KEY, begun_ms BIGINT NOT NULL, published INTEGER NOT NULL)`,
    `CREATE TABLE file_pieces (
      file_id ${id} NOT NULL REFERENCES uploads (file_id) ON DELETE CASCADE,
      piece INTEGER NOT NULL, content ${bytes} NOT NULL, PRIMARY KEY (file_id, piece))`,
    `CREATE TABLE jobs (
      id ${id} PRIMARY KEY, tenant TEXT NOT NULL, created_ms BIGINT NOT NULL, state TEXT NOT NULL,
      under_way INTEGER NOT NULL, runner_id TEXT NOT NULL, free_ms BIGINT NOT NULL, record TEXT NOT NULL)`,
    'CREATE INDEX jobs_by_time ON jobs (tenant, created_ms, id)',
    'CREATE INDEX jobs_under_way ON jobs (created_ms, id) WHERE under_way = 1',
    `CREATE TABLE job_lines (
      job_id ${id} NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, line INTEGER NOT NULL, custom_id TEXT NOT NULL,
      body TEXT, attempt INTEGER NOT NULL, runner_id TEXT NOT NULL, free_ms BIGINT NOT NULL,
      outcome TEXT, result TEXT, result_bytes INTEGER NOT NULL, PRIMARY KEY (job_id, line))`,
    'CREATE INDEX job_lines_open ON job_lines (job_id, line) WHERE outcome IS NULL',
    "CREATE INDEX job_lines_leased ON job_lines (runner_id) WHERE outcome IS NULL AND runner_id <> ''",
  ],
  ({ id }) => [
    `CREATE TABLE tenants (
      name ${id} PRIMARY KEY, requests_per_minute DOUBLE PRECISION, tokens_per_minute DOUBLE PRECISION,
      concurrency INTEGER, priority TEXT NOT NULL, weight DOUBLE PRECISION NOT NULL)`,
    `CREATE TABLE api_keys (
      id ${id} PRIMARY KEY, tenant ${id} NOT NULL REFERENCES tenants (name), name TEXT NOT NULL, scopes TEXT NOT NULL,
      hash TEXT NOT NULL, created_ms BIGINT NOT NULL, expires_ms BIGINT, revoked_ms BIGINT)`,
    'CREATE TABLE key_changes (changes BIGINT NOT NULL)',
    'INSERT INTO key_changes (changes) VALUES (0)',
    // Of jobs that ended before, nobody waits for news.
    'ALTER TABLE jobs ADD COLUMN told INTEGER NOT NULL DEFAULT 1',
    'CREATE INDEX jobs_untold ON jobs (created_ms, id) WHERE told = 0',
    `CREATE TABLE gateways (id ${id} PRIMARY KEY, seen_ms BIGINT NOT NULL)`,
  ],
];

/** The version of the schema that this code reads and writes. */
export const schemaVersion = migrations.length;

/**
 * Brings the database to this code's version; of several processes that begin at a time, one does.
 * @throws store_incompatible when a newer version of tercet wrote it
 */
export async function migrate(database: Database): Promise<void> {
  const { dialect } = database;
  await database.transaction(async (sql) => {
    if (dialect.lockMigrations !== undefined) await sql.rows(dialect.lockMigrations);
    await sql.rows('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)');
    const found = numberOf((await sql.rows('SELECT MAX(version) AS version FROM schema_version'))[0], 'version');
    if (found > schemaVersion) throw new TercetError('store_incompatible', { found, known: schemaVersion });
    for (const statement of migrations.slice(found).flatMap((each) => each(dialect))) await sql.rows(statement);
    if (found < schemaVersion) await sql.rows('INSERT INTO schema_version (version) VALUES ($1)', [schemaVersion]);
  });
}
