// Runs one SQLite database on a thread of its own: its calls wait for the disk, which the event loop must not.
import { chmodSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { SqlRow, SqlValue } from './sql.js';

export interface Statement {
  readonly id: number;
  readonly text: string;
  readonly values: readonly SqlValue[];
}

export type StatementReply =
  | { readonly id: number; readonly rows: SqlRow[] }
  | { readonly id: number; readonly failure: { readonly message: string; readonly errcode: number } };

/** How long a statement waits for another process that writes. */
const busyTimeoutMs = 10_000;

// The port first: what fails in opening is the answer to every statement.
const database = opened();

parentPort?.on('message', ({ id, text, values }: Statement) => {
  parentPort?.postMessage(reply(id, () => run(text, values)));
});

function opened(): DatabaseSync | Error {
  try {
    const { path } = workerData as { path: string };
    const handle = new DatabaseSync(path, { timeout: busyTimeoutMs });
    // What users wrote and hashes of keys are in it.
    chmodSync(path, 0o600);
    // A reader does not wait for a writer; a committed transaction is on the disk.
    handle.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
    return handle;
  } catch (error) {
    return error as Error;
  }
}

function run(text: string, values: readonly SqlValue[]): SqlRow[] {
  if (database instanceof Error) throw database;
  const parameters = Object.fromEntries(values.map((value, index) => [`$${index + 1}`, value]));
  return database.prepare(text).all(parameters) as SqlRow[];
}

function reply(id: number, work: () => SqlRow[]): StatementReply {
  try {
    return { id, rows: work() };
  } catch (error) {
    const { message, errcode = 0 } = error as Error & { errcode?: number };
    return { id, failure: { message, errcode } };
  }
}
