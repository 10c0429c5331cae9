import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { searchPath } from './config.js';

/** Path of the first of these programs that is on this machine. */
export function findProgram(names: readonly string[]): string | undefined {
  return names.flatMap((name) => searchPath.map((folder) => join(folder, name))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
