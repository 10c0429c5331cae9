import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { TercetError } from '@tercet/contracts';

/**
 * One process per folder. SQLite's lock on a file of it belongs to the process: however that ends, it is free again.
 * @throws already_running
 */
export function lockFolder(folder: string): Disposable {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(join(folder, 'lock.db'));
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    throw new TercetError('already_running', { folder }, { cause });
  }
  return { [Symbol.dispose]: () => database.close() };
}
