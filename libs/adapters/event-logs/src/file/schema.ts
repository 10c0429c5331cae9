import { DatabaseSync } from 'node:sqlite';
import { TercetError } from '@tercet/contracts';

const schemaVersion = 1;
const pageBytes = 4096;
const busyTimeoutMs = 5000;

const schema = `
  CREATE TABLE records (
    "offset" INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL, partition INTEGER NOT NULL, key TEXT NOT NULL, unix_ms INTEGER NOT NULL, bytes BLOB NOT NULL
  );
  CREATE INDEX records_by_place ON records (topic, partition, "offset");
  CREATE INDEX records_by_age ON records (topic, unix_ms);
  CREATE TABLE places (
    grp TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, owner TEXT,
    PRIMARY KEY (grp, topic, partition)
  ) WITHOUT ROWID;
  CREATE TABLE members (
    grp TEXT NOT NULL, topic TEXT NOT NULL, id TEXT NOT NULL, until_ms INTEGER NOT NULL,
    PRIMARY KEY (grp, topic, id)
  ) WITHOUT ROWID;
  CREATE TABLE parked (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, grp TEXT NOT NULL, reason TEXT NOT NULL,
    "offset" INTEGER NOT NULL, key TEXT NOT NULL, bytes BLOB NOT NULL, unix_ms INTEGER NOT NULL
  );
  PRAGMA user_version = ${schemaVersion};
`;

/**
 * The database in a file, made where there is none. A commit is on the disk before it is acknowledged
 * (`synchronous = FULL`), readers and a writer do not wait for one another (`WAL`).
 * @throws event_log_corrupt, and what SQLite throws
 */
export function openDatabase(path: string, bytesMax: number): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs });
  try {
    database.exec(`PRAGMA page_size = ${pageBytes}`);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 8388608');
    database.exec(`PRAGMA max_page_count = ${Math.ceil(bytesMax / pageBytes)}`);
    createOnce(database);
    const [{ quick_check: verdict } = { quick_check: 'no answer' }] = database.prepare('PRAGMA quick_check(1)').all();
    if (verdict !== 'ok') throw new TercetError('event_log_corrupt', { path, reason: String(verdict) });
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function createOnce(database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE');
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
  if (version === 0) database.exec(schema);
  database.exec('COMMIT');
  if (version !== 0 && version !== schemaVersion) {
    throw new TercetError('event_log_corrupt', { reason: `version ${version} is not ${schemaVersion}` });
  }
}
