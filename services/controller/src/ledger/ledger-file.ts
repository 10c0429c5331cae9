import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TercetError } from '@tercet/contracts';
import type { Ledger, LedgerStore } from '@tercet/controller-core';
import { LedgerDocument, toDocument } from './ledger-document.js';

/**
 * The ledger as one file on this machine. It is replaced as a whole: what a crash leaves is the old one or the new one,
 * and a half-written one beside it that nobody reads.
 */
export class LedgerFile implements LedgerStore {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws ledger_invalid for a file that is there and cannot be read */
  async load(): Promise<Ledger | undefined> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw this.#invalid(error.message, error);
    });
    if (text === undefined) return undefined;
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (cause) {
      throw this.#invalid((cause as Error).message, cause);
    }
    const read = LedgerDocument.safeParse(json);
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    throw this.#invalid(`${issue?.path.join('.')}: ${issue?.message}`, read.error);
  }

  /** Resolves when it cannot be lost any more. @throws store_unavailable, disk_full */
  async save(ledger: Ledger): Promise<void> {
    const next = `${this.#path}.next`;
    try {
      await written(next, JSON.stringify(toDocument(ledger)));
      await rename(next, this.#path);
      await synced(dirname(this.#path));
    } catch (cause) {
      await rm(next, { force: true }).catch(() => undefined);
      const code = (cause as NodeJS.ErrnoException).code === 'ENOSPC' ? 'disk_full' : 'store_unavailable';
      throw new TercetError(code, { file: this.#path }, { cause });
    }
  }

  #invalid(problem: string, cause: unknown): TercetError {
    const advice = 'remove it to begin anew: pods keep the roles that they have';
    return new TercetError('ledger_invalid', { file: this.#path, problem, advice }, { cause });
  }
}

async function written(path: string, text: string): Promise<void> {
  await using file = await open(path, 'w', 0o600);
  await file.writeFile(text);
  await file.sync();
}

/** A rename is only safe once its folder is. */
async function synced(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}
