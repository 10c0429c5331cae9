import { type Database, numberOf } from './sql.js';

/** Gateways that share this store, as they were last heard of. */
export class PresenceTable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The gateway is there, and those that were not heard of for so long are not. @returns how many are there */
  async beat(id: string, goneMs: number): Promise<number> {
    const nowMs = await this.#database.nowMs();
    const insert = `INSERT INTO gateways (id, seen_ms) VALUES ($1, $2)
      ON CONFLICT (id) DO UPDATE SET seen_ms = excluded.seen_ms`;
    await this.#database.rows(insert, [id, nowMs]);
    await this.#database.rows('DELETE FROM gateways WHERE seen_ms < $1', [nowMs - goneMs]);
    return numberOf((await this.#database.rows('SELECT COUNT(*) AS gateways FROM gateways'))[0], 'gateways');
  }

  async leave(id: string): Promise<void> {
    await this.#database.rows('DELETE FROM gateways WHERE id = $1', [id]);
  }
}
