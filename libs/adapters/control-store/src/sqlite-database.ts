import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Clock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import type { Database, Dialect, Sql, SqlRow, SqlValue } from './sql.js';
import type { Statement, StatementReply } from './sqlite-worker.js';

const dialect: Dialect = {
  bytes: 'BLOB',
  id: 'TEXT',
  recordBytes: "record ->> 'bytes'",
  forUpdate: '',
  skipLocked: '',
  lockMigrations: undefined,
};

/** Statements that wait for the thread at a time. */
const waitingMax = 4096;

/** From this folder's sibling, so that tests that run the sources find it too. */
const script = new URL('../dist/sqlite-worker.js', import.meta.url);

/** A file on this machine; several processes of it may open it. Transactions of one process run one after the other. */
export class SqliteDatabase implements Database {
  readonly dialect = dialect;
  readonly #worker: Worker;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, PromiseWithResolvers<SqlRow[]>>();
  #statements = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #ended: TercetError | undefined;

  static open({ path, clock }: { path: string; clock: Clock }): SqliteDatabase {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return new SqliteDatabase(path, clock);
  }

  private constructor(path: string, clock: Clock) {
    this.#clock = clock;
    this.#worker = new Worker(script, { workerData: { path } });
    this.#worker.on('message', (reply: StatementReply) => this.#take(reply));
    this.#worker.once('error', (cause) => this.#end(new TercetError('store_unavailable', { path }, { cause })));
    this.#worker.once('exit', () => this.#end(new TercetError('store_unavailable', { path, reason: 'closed' })));
  }

  async nowMs(): Promise<number> {
    return this.#clock.unixMs();
  }

  rows(text: string, values: readonly SqlValue[] = []): Promise<SqlRow[]> {
    return this.#inTurn(() => this.#run(text, values));
  }

  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      await this.#run('BEGIN IMMEDIATE');
      try {
        const result = await work({ rows: (text, values) => this.#run(text, values) });
        await this.#run('COMMIT');
        return result;
      } catch (error) {
        await this.#run('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn.catch(() => undefined);
    await this.#worker.terminate();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work, work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #run(text: string, values: readonly SqlValue[] = []): Promise<SqlRow[]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#waiting.size >= waitingMax) {
      return Promise.reject(new TercetError('store_unavailable', { waiting: this.#waiting.size, waitingMax }));
    }
    const id = this.#statements++;
    const answer = Promise.withResolvers<SqlRow[]>();
    this.#waiting.set(id, answer);
    this.#worker.postMessage({ id, text, values } satisfies Statement);
    return answer.promise;
  }

  #take(reply: StatementReply): void {
    const answer = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('rows' in reply) answer?.resolve(reply.rows);
    else answer?.reject(failureOf(reply.failure));
  }

  #end(failure: TercetError): void {
    this.#ended ??= failure;
    for (const answer of this.#waiting.values()) answer.reject(this.#ended);
    this.#waiting.clear();
  }
}

/** Primary result codes, https://www.sqlite.org/rescode.html */
const codes = { error: 1, full: 13, constraint: 19, mismatch: 20, misuse: 21, range: 25 };
const bugs = new Set([codes.error, codes.constraint, codes.mismatch, codes.misuse, codes.range]);

function failureOf({ message, errcode }: { message: string; errcode: number }): Error {
  const primary = errcode & 0xff;
  if (primary === codes.full) return new TercetError('disk_full', { reason: message });
  if (bugs.has(primary)) return new Error(`bug: ${message}`);
  return new TercetError('store_unavailable', { reason: message });
}
