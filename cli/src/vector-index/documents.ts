import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { parse as csvParser } from 'csv-parse';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { CommandFailure, exitCodes } from '../terminal/failure.js';
import { chunksOf } from './chunks.js';
import type { Field, Point } from './collections-api.js';

export interface SourceFile {
  readonly path: string;
  /** As hits name it: below the folder that was given. */
  readonly source: string;
  readonly bytes: number;
}

export interface ReadOptions {
  readonly chunkWords: number;
  readonly fields: readonly Field[];
}

type Row = Readonly<Record<string, unknown>>;

const texts = new Set(['.md', '.markdown', '.txt', '.rst']);
const tables = new Set(['.jsonl', '.ndjson', '.csv', '.parquet']);

/** Files to read: those that were named, and of folders those of a kind that can be read. @throws CommandFailure */
export function sourceFiles(paths: readonly string[]): SourceFile[] {
  return paths.flatMap((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) {
      throw new CommandFailure(`there is no file or folder ${path}`, { exitCode: exitCodes.usage });
    }
    if (found.isDirectory()) return filesBelow(path);
    if (isReadable(path)) return [{ path, source: path, bytes: found.size }];
    const known = [...texts, ...tables].join(', ');
    throw new CommandFailure(`cannot read ${path}`, { exitCode: exitCodes.usage, advice: `kinds of files: ${known}` });
  });
}

/** Points of a file. The same file gives the same ids. @throws CommandFailure for what is no table or text */
export async function* pointsOf({ path, source }: SourceFile, options: ReadOptions): AsyncGenerator<Point> {
  const kind = extname(path).toLowerCase();
  if (texts.has(kind)) {
    const isMarkdown = kind === '.md' || kind === '.markdown';
    yield* passagesOf(await readFile(path, 'utf8'), { source, isMarkdown, words: options.chunkWords });
    return;
  }
  let line = 0;
  for await (const row of rowsOf(path, kind)) yield pointOf(row, { source, line: ++line, fields: options.fields });
}

function* passagesOf(text: string, from: { source: string; isMarkdown: boolean; words: number }): Generator<Point> {
  const { source, ...how } = from;
  for (const [chunk, { text: passage, heading }] of chunksOf(text, how).entries()) {
    const payload = { text: passage, source, chunk, ...(heading === '' ? {} : { heading: heading.slice(0, 512) }) };
    yield { id: idOf(source, chunk), payload };
  }
}

function rowsOf(path: string, kind: string): AsyncIterable<unknown> {
  if (kind === '.csv')
    return createReadStream(path).pipe(csvParser({ columns: true, bom: true, skip_empty_lines: true }));
  return kind === '.parquet' ? parquetRows(path) : jsonLines(path);
}

async function* jsonLines(path: string): AsyncGenerator<unknown> {
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    line++;
    if (text.trim() === '') continue;
    try {
      yield JSON.parse(text);
    } catch {
      throw new CommandFailure(`${path}:${line} is not JSON`, {});
    }
  }
}

/** A row group at a time: files are larger than memory. */
async function* parquetRows(path: string): AsyncGenerator<unknown> {
  const file = await asyncBufferFromFile(path);
  const rowsAtATime = 1000;
  for (let start = 0; ; start += rowsAtATime) {
    const rows = await parquetReadObjects({ file, rowStart: start, rowEnd: start + rowsAtATime });
    yield* rows;
    if (rows.length < rowsAtATime) return;
  }
}

/** `id` and `vector` are what they say; every other column is a field. */
function pointOf(
  row: unknown,
  { source, line, fields }: { source: string; line: number; fields: readonly Field[] },
): Point {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw new CommandFailure(`${source}:${line} is no object`, {});
  }
  const { id, vector, ...columns } = row as Row;
  const payload: Record<string, unknown> = { ...columns };
  for (const [name, value] of Object.entries(columns))
    payload[name] = typed(
      value,
      fields.find((each) => each.name === name),
    );
  if (fields.some(({ name }) => name === 'source')) payload.source ??= source;
  return {
    id: id === undefined || id === null || id === '' ? idOf(source, line) : String(id),
    ...(vector === undefined ? {} : { vector: vectorOf(vector, source, line) }),
    payload,
  };
}

/** Texts of a table as what their field is; an empty one is no value. */
function typed(value: unknown, field: Field | undefined): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'string' || field === undefined) return value;
  if (value === '' && field.kind !== 'text' && field.kind !== 'stored') return null;
  if (field.kind === 'integer' || field.kind === 'float') return Number.isNaN(Number(value)) ? value : Number(value);
  if (field.kind === 'bool') return value === 'true' ? true : value === 'false' ? false : value;
  return value;
}

function vectorOf(value: unknown, source: string, line: number): number[] {
  const vector = typeof value === 'string' ? parsed(value) : value;
  if (Array.isArray(vector) && vector.every((each) => typeof each === 'number')) return vector;
  throw new CommandFailure(`${source}:${line}: the vector is no list of numbers`, {});
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function filesBelow(folder: string): SourceFile[] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return paths
    .filter(isReadable)
    .toSorted()
    .map((path) => {
      return { path, source: relative(folder, path), bytes: statSync(path).size };
    });
}

function isReadable(path: string): boolean {
  const kind = extname(path).toLowerCase();
  return texts.has(kind) || tables.has(kind);
}

function idOf(source: string, part: number): string {
  return createHash('sha256').update(`${source}\n${part}`).digest('hex').slice(0, 24);
}
