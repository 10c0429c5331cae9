import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { searchPath } from './config.js';

/** Path of the first of these programs that is on this machine. */
export function findProgram(names: readonly string[]): string | undefined {
  const places = (name: string) => [...searchPath, ...packageFolders(name)].map((folder) => join(folder, name));
  return names.flatMap(places).find(isExecutable);
}

/** Debian keeps the programs of PostgreSQL out of the path, by version. */
function packageFolders(program: string): string[] {
  const versions = '/usr/lib/postgresql';
  if (program !== 'postgres' || !existsSync(versions)) return [];
  return readdirSync(versions).map((version) => join(versions, version, 'bin'));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
