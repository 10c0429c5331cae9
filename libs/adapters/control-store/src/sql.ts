export type SqlValue = string | number | Uint8Array | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;

/** Runs statements; `$1` and so on stand for the values. What databases say differently stands in {@link Dialect}. */
export interface Sql {
  rows(text: string, values?: readonly SqlValue[]): Promise<SqlRow[]>;
}

export interface Dialect {
  /** Type of a column of bytes. */
  readonly bytes: string;
  /** Type of a column of ids, which compare by their characters in every locale. */
  readonly id: string;
  /** The number `bytes` in the JSON of a `record`. */
  readonly recordBytes: string;
  /** After a SELECT: the rows are this transaction's until it ends. */
  readonly forUpdate: string;
  /** As `forUpdate`, leaving out rows that are another's. */
  readonly skipLocked: string;
  /** The first thing in the transaction of a migration: no other process migrates meanwhile. */
  readonly lockMigrations: string | undefined;
}

/** One database, opened by any number of processes. */
export interface Database extends Sql, AsyncDisposable {
  readonly dialect: Dialect;
  /** All or nothing; what `work` throws comes out. Other statements of this process may run before or after it. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** Milliseconds since 1970 by the clock that all processes share. */
  nowMs(): Promise<number>;
}

export function textOf(row: SqlRow | undefined, column: string): string {
  return String(row?.[column] ?? '');
}

export function numberOf(row: SqlRow | undefined, column: string): number {
  return Number(row?.[column] ?? 0);
}
