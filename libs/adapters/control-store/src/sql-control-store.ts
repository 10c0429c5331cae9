import type { ControlStore } from '@tercet/jobs';
import { FileTable } from './file-table.js';
import { JobTable } from './job-table.js';
import { KeyTable } from './key-table.js';
import { migrate } from './migrations.js';
import { PresenceTable } from './presence-table.js';
import type { Database } from './sql.js';

/** The stores of control state over one database. */
export class SqlControlStore implements ControlStore {
  readonly files: FileTable;
  readonly jobs: JobTable;
  readonly keys: KeyTable;
  readonly presence: PresenceTable;
  readonly #database: Database;

  /** Takes the database over: it is closed with the store. @throws store_unavailable, store_incompatible */
  static async open(database: Database): Promise<SqlControlStore> {
    try {
      await migrate(database);
      return new SqlControlStore(database);
    } catch (error) {
      await database[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(database: Database) {
    this.#database = database;
    this.files = new FileTable(database);
    this.jobs = new JobTable(database);
    this.keys = new KeyTable(database);
    this.presence = new PresenceTable(database);
  }

  nowMs(): Promise<number> {
    return this.#database.nowMs();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database[Symbol.asyncDispose]();
  }
}
