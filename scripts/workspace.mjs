// The packages of the workspace, as pnpm-workspace.yaml lists them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Folders that hold a package.json, by the globs of pnpm-workspace.yaml (`name` or `name/*`). */
export function packageFolders(root) {
  const text = readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8');
  const globs = text
    .split('\n')
    .filter((line) => /^ {2}- /.test(line))
    .map((line) => line.slice(4).trim());
  return globs.flatMap((glob) => expand(root, glob)).filter((folder) => existsSync(join(folder, 'package.json')));
}

function expand(root, glob) {
  if (!glob.endsWith('/*')) return [join(root, glob)];
  const parent = join(root, glob.slice(0, -2));
  if (!existsSync(parent)) return [];
  return readdirSync(parent, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(parent, entry.name));
}
