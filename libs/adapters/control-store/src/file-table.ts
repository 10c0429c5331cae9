import { TercetError } from '@tercet/contracts';
import type { FileStore, Page, PageQuery, StoredFile } from '@tercet/jobs';
import { pageOf } from './pages.js';
import { type Database, numberOf, textOf } from './sql.js';

/** Bytes of one row: a few make little traffic, many make a row that is slow to write. */
const pieceBytes = 1024 * 1024;

export class FileTable implements FileStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async upload(id: string, content: AsyncIterable<Uint8Array>): Promise<number> {
    const begin = 'INSERT INTO uploads (file_id, begun_ms, published) VALUES ($1, $2, 0)';
    await this.#database.rows(begin, [id, await this.#database.nowMs()]);
    let bytes = 0;
    let piece = 0;
    try {
      for await (const chunk of inPieces(content)) {
        bytes += chunk.length;
        const insert = 'INSERT INTO file_pieces (file_id, piece, content) VALUES ($1, $2, $3)';
        await this.#database.rows(insert, [id, piece++, chunk]);
      }
      return bytes;
    } catch (error) {
      await this.#database.rows('DELETE FROM uploads WHERE file_id = $1', [id]);
      throw error;
    }
  }

  async publish(file: StoredFile): Promise<void> {
    const { id, tenant, purpose, createdMs, expiresMs } = file;
    const insert = `INSERT INTO files (id, tenant, purpose, created_ms, expires_ms, record)
      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`;
    await this.#database.transaction(async (sql) => {
      await sql.rows(insert, [id, tenant, purpose, createdMs, expiresMs, JSON.stringify(file)]);
      await sql.rows('UPDATE uploads SET published = 1 WHERE file_id = $1', [id]);
    });
  }

  async get(id: string): Promise<StoredFile | undefined> {
    const [row] = await this.#database.rows('SELECT record FROM files WHERE id = $1', [id]);
    return row === undefined ? undefined : (JSON.parse(textOf(row, 'record')) as StoredFile);
  }

  list({ purpose, ...query }: PageQuery & { readonly purpose?: string }): Promise<Page<StoredFile>> {
    const where = purpose === undefined ? undefined : { column: 'purpose', value: purpose };
    return pageOf<StoredFile>(this.#database, { table: 'files', where }, query);
  }

  async *read(id: string): AsyncGenerator<Uint8Array> {
    const file = await this.get(id);
    if (file?.source.kind !== 'uploaded') throw new TercetError('file_not_found', { file: id });
    let bytes = 0;
    for (let piece = 0; bytes < file.bytes; piece++) {
      const select = 'SELECT content FROM file_pieces WHERE file_id = $1 AND piece = $2';
      const content = (await this.#database.rows(select, [id, piece]))[0]?.content;
      if (!(content instanceof Uint8Array)) throw new TercetError('file_not_found', { file: id, piece });
      bytes += content.length;
      yield content;
    }
  }

  delete(id: string): Promise<boolean> {
    return this.#database.transaction(async (sql) => {
      await sql.rows('DELETE FROM uploads WHERE file_id = $1', [id]);
      const [gone] = await sql.rows('DELETE FROM files WHERE id = $1 RETURNING record', [id]);
      if (gone === undefined) return false;
      const { source } = JSON.parse(textOf(gone, 'record')) as StoredFile;
      const forget = 'UPDATE job_lines SET result = NULL, result_bytes = 0 WHERE job_id = $1 AND outcome = $2';
      if (source.kind === 'results') await sql.rows(forget, [source.jobId, source.outcome]);
      return true;
    });
  }

  async bytes(): Promise<number> {
    const { recordBytes } = this.#database.dialect;
    const [row] = await this.#database.rows(`SELECT SUM(${recordBytes}) AS bytes FROM files`);
    return numberOf(row, 'bytes');
  }

  async sweep({ nowMs, uploadsBeforeMs }: { nowMs: number; uploadsBeforeMs: number }): Promise<void> {
    const expired = await this.#database.rows('SELECT id FROM files WHERE expires_ms <= $1', [nowMs]);
    for (const row of expired) await this.delete(textOf(row, 'id'));
    await this.#database.rows('DELETE FROM uploads WHERE published = 0 AND begun_ms < $1', [uploadsBeforeMs]);
  }
}

/** The same bytes in pieces of one size, but for the last. */
async function* inPieces(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    held.push(chunk);
    bytes += chunk.length;
    if (bytes < pieceBytes) continue;
    const whole = Buffer.concat(held);
    const full = whole.length - (whole.length % pieceBytes);
    for (let start = 0; start < full; start += pieceBytes) yield whole.subarray(start, start + pieceBytes);
    held = [whole.subarray(full)];
    bytes = whole.length - full;
  }
  if (bytes > 0) yield Buffer.concat(held);
}
