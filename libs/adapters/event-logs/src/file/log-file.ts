import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { TercetError, toTercetError } from '@tercet/contracts';
import { type Outgoing, parkedTopic, partitionOf, type TopicName, topicNames, topics } from '@tercet/event-log';
import { openDatabase } from './schema.js';

/** A part of a topic, as a group reads it. */
export interface Place {
  readonly topic: TopicName;
  readonly partition: number;
}

/** A reader of a group. */
export interface Member {
  readonly id: string;
  readonly group: string;
  readonly topics: readonly TopicName[];
  readonly from: 'earliest' | 'latest';
}

/** A record in the file. */
export interface FiledRecord {
  readonly offset: number;
  readonly key: string;
  readonly bytes: Uint8Array;
}

/** A place that a member holds, and where it goes on reading. */
export interface HeldPlace extends Place {
  readonly next: number;
}

/** A member that was not heard of for so long is gone, and its places are free. */
export const memberTtlMs = 5000;
const parkedMax = 1000;
const loadRecordsMax = 100_000;
const sqlite = { busy: 5, ioError: 10, corrupt: 11, full: 13, cannotOpen: 14, notADatabase: 26 };

/**
 * The file of the log: records in the order in which they were committed, the places of each group, who reads them, and
 * what was parked. Several processes have it open; what more than one of them changes is changed in one transaction.
 */
export class LogFile implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, ReturnType<DatabaseSync['prepare']>>();
  #version = -1;
  #appended = false;

  /** @throws event_log_corrupt, event_log_unavailable */
  static open(path: string, bytesMax: number): LogFile {
    return translated(() => new LogFile(openDatabase(path, bytesMax)));
  }

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** All of them or none; they survive the end of this process and of the machine. */
  append(records: readonly Outgoing[], unixMs: number): void {
    this.#transaction(() => {
      for (const { topic, key, bytes } of records) {
        const partition = partitionOf(key, topics[topic].partitions);
        const sql = 'INSERT INTO records (topic, partition, key, unix_ms, bytes) VALUES (?, ?, ?, ?, ?)';
        this.#run(sql, topic, partition, key, unixMs, bytes);
      }
    });
    this.#appended = true;
  }

  /** True when something was written since it was asked last, by whatever process. */
  hasChanged(): boolean {
    const version = Number(this.#all('PRAGMA data_version')[0]?.data_version);
    const changed = version !== this.#version || this.#appended;
    this.#version = version;
    this.#appended = false;
    return changed;
  }

  /** Those of a place from an offset on, oldest first. */
  read({ topic, partition }: Place, next: number, countMax: number): FiledRecord[] {
    const sql = `SELECT "offset", key, bytes FROM records WHERE topic = ? AND partition = ? AND "offset" >= ?
      ORDER BY "offset" LIMIT ?`;
    return this.#all(sql, topic, partition, next, countMax).map((row) => ({
      offset: Number(row.offset),
      key: String(row.key),
      bytes: row.bytes as Uint8Array,
    }));
  }

  lag({ topic, partition }: Place, next: number): number {
    const sql = 'SELECT count(*) AS records FROM records WHERE topic = ? AND partition = ? AND "offset" >= ?';
    return Number(this.#all(sql, topic, partition, next)[0]?.records);
  }

  /** Begins the places of a group that was never there before where its first member wants to. */
  join({ group, topics: wanted, from }: Member): void {
    this.#transaction(() => {
      const last = this.#all("SELECT seq FROM sqlite_sequence WHERE name = 'records'")[0]?.seq ?? 0;
      const next = from === 'earliest' ? 0 : Number(last) + 1;
      for (const topic of wanted) {
        for (let partition = 0; partition < topics[topic].partitions; partition++) {
          const sql = 'INSERT OR IGNORE INTO places (grp, topic, partition, next) VALUES (?, ?, ?, ?)';
          this.#run(sql, group, topic, partition, next);
        }
      }
    });
  }

  /**
   * Says that a member lives, and divides the places of its group evenly among those that do.
   * @param busy places that it holds and reads now: it keeps them until it is done
   * @returns the places that it holds from now on
   */
  beat(member: Member, busy: readonly Place[], unixMs: number): HeldPlace[] {
    const { id, group } = member;
    return this.#transaction(() => {
      this.#run('DELETE FROM members WHERE grp = ? AND until_ms < ?', group, unixMs);
      for (const topic of member.topics) {
        const sql = 'INSERT OR REPLACE INTO members (grp, id, topic, until_ms) VALUES (?, ?, ?, ?)';
        this.#run(sql, group, id, topic, unixMs + memberTtlMs);
        this.#divide(member, topic, busy);
      }
      return this.#held(member);
    });
  }

  /** The group is done with what lies before `next`; nothing happens when the place went to another member. */
  commit({ id, group }: Member, { topic, partition, next }: HeldPlace): void {
    const sql = 'UPDATE places SET next = max(next, ?) WHERE grp = ? AND topic = ? AND partition = ? AND owner = ?';
    this.#run(sql, next, group, topic, partition, id);
  }

  leave({ id, group }: Member): void {
    this.#transaction(() => {
      this.#run('DELETE FROM members WHERE grp = ? AND id = ?', group, id);
      this.#run('UPDATE places SET owner = NULL WHERE grp = ? AND owner = ?', group, id);
    });
  }

  /** Keeps the latest of those that nobody could read. */
  park(record: FiledRecord & { topic: TopicName; group: string; reason: string }, unixMs: number): void {
    const { topic, group, reason, offset, key, bytes } = record;
    this.#transaction(() => {
      const sql = `INSERT INTO parked (topic, grp, reason, "offset", key, bytes, unix_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?)`;
      this.#run(sql, topic, group, reason, offset, key, bytes, unixMs);
      this.#run('DELETE FROM parked WHERE id <= (SELECT max(id) FROM parked) - ?', parkedMax);
    });
  }

  /** Deletes what is older than its topic keeps it, and load reports beyond their number. */
  trim(unixMs: number): void {
    this.#transaction(() => {
      for (const topic of topicNames) {
        const { retentionMs, whenFull } = topics[topic];
        if (retentionMs !== undefined) {
          this.#run('DELETE FROM records WHERE topic = ? AND unix_ms < ?', topic, unixMs - retentionMs);
        }
        if (whenFull === 'drop oldest') this.#trimTo(topic, loadRecordsMax);
      }
      this.#run('DELETE FROM parked WHERE unix_ms < ?', unixMs - parkedTopic.retentionMs);
    });
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #trimTo(topic: TopicName, countMax: number): void {
    const sql = 'SELECT "offset" FROM records WHERE topic = ? ORDER BY unix_ms DESC LIMIT 1 OFFSET ?';
    const first = this.#all(sql, topic, countMax)[0]?.offset;
    if (first !== undefined) this.#run('DELETE FROM records WHERE topic = ? AND "offset" <= ?', topic, Number(first));
  }

  /** Member i of n has the places whose number leaves i, divided by n; one that is being read waits for its reader. */
  #divide({ id, group }: Member, topic: TopicName, busy: readonly Place[]): void {
    const ids = this.#all('SELECT id FROM members WHERE grp = ? AND topic = ? ORDER BY id', group, topic);
    const mine = ids.findIndex((row) => row.id === id);
    const claim = `UPDATE places SET owner = ?1 WHERE grp = ?2 AND topic = ?3 AND partition = ?4 AND (owner IS NULL
      OR owner NOT IN (SELECT id FROM members WHERE grp = ?2 AND topic = ?3))`;
    const release = `UPDATE places SET owner = NULL WHERE owner = ?1 AND grp = ?2 AND topic = ?3 AND partition = ?4`;
    for (let partition = 0; partition < topics[topic].partitions; partition++) {
      if (partition % ids.length === mine) this.#run(claim, id, group, topic, partition);
      else if (!busy.some((place) => place.topic === topic && place.partition === partition)) {
        this.#run(release, id, group, topic, partition);
      }
    }
  }

  #held({ id, group }: Member): HeldPlace[] {
    const rows = this.#all('SELECT topic, partition, next FROM places WHERE grp = ? AND owner = ?', group, id);
    return rows.map(({ topic, partition, next }) => {
      return { topic: topic as TopicName, partition: Number(partition), next: Number(next) };
    });
  }

  #transaction<T>(work: () => T): T {
    return translated(() => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.#database.exec('COMMIT');
        return result;
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw error;
      }
    });
  }

  #run(sql: string, ...values: (string | number | Uint8Array)[]): void {
    translated(() => this.#prepared(sql).run(...values));
  }

  #all(sql: string, ...values: (string | number)[]): Record<string, SQLOutputValue>[] {
    return translated(() => this.#prepared(sql).all(...values));
  }

  #prepared(sql: string): ReturnType<DatabaseSync['prepare']> {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.#database.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }
}

/** Runs it, and says in our codes what SQLite says in its own. @throws event_log_corrupt, event_log_unavailable */
function translated<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const { errcode, message } = cause as Error & { errcode?: number };
    // The low byte is the kind, the others its variety.
    const kind = (errcode ?? 0) & 0xff;
    if (kind === sqlite.corrupt || kind === sqlite.notADatabase) {
      throw new TercetError('event_log_corrupt', { reason: message }, { cause });
    }
    if ([sqlite.busy, sqlite.ioError, sqlite.full, sqlite.cannotOpen].includes(kind)) {
      throw new TercetError('event_log_unavailable', { reason: message }, { cause });
    }
    throw toTercetError(cause);
  }
}
