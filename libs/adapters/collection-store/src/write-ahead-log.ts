import { type FileHandle, open, readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '@tercet/base';
import { decodeChanges, encodeChanges, type LoggedChange } from '@tercet/collection';
import { TercetError } from '@tercet/contracts';
import { asOurs, syncFolder, writeFrame } from './files.js';
import { readFrames } from './read-frames.js';

const pattern = /^log-(\d{16})\.log$/;

interface LogFile {
  /** Offset of the first change that it may hold. */
  readonly first: number;
  readonly name: string;
}

/**
 * Changes of a collection in the order in which they were made, in files that are cut where a snapshot begins. A change
 * is in it for good when `append` has returned.
 */
export class WriteAheadLog {
  readonly #folder: string;
  readonly #files: { readonly first: number; bytes: number }[];
  #handle: FileHandle | undefined;
  #last: number;
  /** A write or a sync failed: what is on the disk is not known any more. */
  #broken: TercetError | undefined;

  private constructor(folder: string, files: { first: number; bytes: number }[], last: number) {
    this.#folder = folder;
    this.#files = files;
    this.#last = last;
  }

  /**
   * Opens the log and gives every change after `after` to `apply`, in order. A torn end is cut off: nobody was told
   * that it was written.
   * @throws collection_corrupt for anything else that cannot be read, and for changes that are missing
   */
  static async open(
    folder: string,
    after: number,
    apply: (changes: readonly LoggedChange[]) => void,
  ): Promise<WriteAheadLog> {
    const names = await logFiles(folder);
    const files: { first: number; bytes: number }[] = [];
    let [last, isCurrent] = [after, true];
    for (const [i, { first, name }] of names.entries()) {
      if (first > last + 1) throw corrupt(name, `changes from ${last + 1} to ${first - 1} are missing`);
      const isLast = i === names.length - 1;
      const { bytes, end } = await replay(join(folder, name), { first, last, isLast, apply });
      last = Math.max(last, end);
      // What a file has no room for, in its order, goes into the next.
      isCurrent = end === last;
      files.push({ first, bytes });
    }
    const log = new WriteAheadLog(folder, files, last);
    if (!isCurrent) await log.#begin();
    return log;
  }

  /** Offset of the last change. */
  get last(): number {
    return this.#last;
  }

  get bytes(): number {
    return this.#files.reduce((sum, file) => sum + file.bytes, 0);
  }

  /** Writes changes that follow the last, durably and together. @throws disk_full, store_unavailable */
  async append(changes: readonly LoggedChange[]): Promise<void> {
    assert(changes[0]?.offset === this.#last + 1, 'a gap in the log', { last: this.#last, next: changes[0]?.offset });
    if (this.#broken !== undefined) throw this.#broken;
    const content = encodeChanges(changes);
    const handle = await this.#current();
    const file = this.#files.at(-1) as { bytes: number };
    try {
      const bytes = await writeFrame(handle, content, file.bytes);
      await asOurs(handle.datasync());
      file.bytes += bytes;
      this.#last += changes.length;
    } catch (error) {
      await this.#undo(handle, file.bytes, error as TercetError);
      throw error;
    }
  }

  /** Later changes go into a file of their own, so that the earlier ones can be given up as a whole. */
  async cut(): Promise<void> {
    if ((this.#files.at(-1)?.bytes ?? 0) === 0) return;
    await this.#handle?.close();
    this.#handle = undefined;
    await this.#begin();
  }

  /** Gives up files that hold no change after `offset`. */
  async trim(offset: number): Promise<void> {
    while ((this.#files[1]?.first ?? Number.POSITIVE_INFINITY) <= offset + 1) {
      const file = this.#files.shift() as { first: number };
      await asOurs(rm(join(this.#folder, nameOf(file.first)), { force: true }));
    }
  }

  /** Files with changes after `offset`, where the log was cut, and their bytes that are durable now. */
  filesAfter(offset: number): { readonly name: string; readonly bytes: number }[] {
    const later = this.#files.filter(({ first, bytes }) => first > offset && bytes > 0);
    return later.map(({ first, bytes }) => ({ name: nameOf(first), bytes }));
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #current(): Promise<FileHandle> {
    if (this.#files.length === 0) await this.#begin();
    const { first } = this.#files.at(-1) as { first: number };
    this.#handle ??= await asOurs(open(join(this.#folder, nameOf(first)), 'r+'));
    return this.#handle;
  }

  async #begin(): Promise<void> {
    const first = this.#last + 1;
    this.#handle = await asOurs(open(join(this.#folder, nameOf(first)), 'w+', 0o600));
    await asOurs(syncFolder(this.#folder));
    this.#files.push({ first, bytes: 0 });
  }

  /**
   * Takes a frame away that was not written whole. Where that fails too, or a sync failed, nobody can say what the disk
   * has: then nothing is written any more until the log is read anew.
   */
  async #undo(handle: FileHandle, bytes: number, error: TercetError): Promise<void> {
    try {
      await handle.truncate(bytes);
      await handle.datasync();
    } catch {
      this.#broken = error;
    }
  }
}

interface Replay {
  readonly first: number;
  readonly last: number;
  readonly isLast: boolean;
  readonly apply: (changes: readonly LoggedChange[]) => void;
}

/** @returns bytes that count, and the offset of the last change in the file */
async function replay(path: string, { first, last, isLast, apply }: Replay): Promise<{ bytes: number; end: number }> {
  let expected = first;
  const frames = readFrames(path);
  for (;;) {
    const next = await frames.next();
    if (next.done === true) {
      const { how, at } = next.value;
      if (how.kind === 'damaged') throw corrupt(path, how.reason, at);
      if (how.kind === 'torn' && !isLast) throw corrupt(path, 'it ends too early', at);
      if (how.kind === 'torn') await asOurs(truncate(path, at));
      return { bytes: at, end: expected - 1 };
    }
    const changes = decodeChanges(next.value.content);
    for (const { offset } of changes) {
      if (offset !== expected) throw corrupt(path, `change ${offset} stands where ${expected} should`, next.value.at);
      expected++;
    }
    apply(changes.filter(({ offset }) => offset > last));
  }
}

/** Files of a log, first changes first. */
async function logFiles(folder: string): Promise<LogFile[]> {
  const names = (await asOurs(readdir(folder))).filter((name) => pattern.test(name)).toSorted();
  return names.map((name) => ({ name, first: Number((pattern.exec(name) as RegExpExecArray)[1]) }));
}

function nameOf(first: number): string {
  return `log-${String(first).padStart(16, '0')}.log`;
}

function corrupt(file: string, reason: string, at?: number): TercetError {
  return new TercetError('collection_corrupt', { file, reason, at });
}
