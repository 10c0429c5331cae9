// Builds the workspace: protobuf → TypeScript → JavaScript, native kernels. Incremental: only what is out of date.
// Options: --quiet (print only what went wrong), --clean (forget earlier output).
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformFile } from '@swc/core';
import { packageFolders } from './workspace.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const quiet = process.argv.includes('--quiet');
const clean = process.argv.includes('--clean');

generateContracts();
let count = 0;
for (const folder of packageFolders(root)) count += await buildPackage(folder);
if (existsSync(join(root, 'native/kernels/build.mjs'))) {
  const { buildKernels } = await import('../native/kernels/build.mjs');
  await buildKernels({ quiet });
}
if (!quiet) console.log(`built ${count} changed files`);

/** protobuf → libs/contracts/src/generated, when a .proto is newer than the output. */
function generateContracts() {
  const contracts = join(root, 'libs/contracts');
  const stamp = join(contracts, 'src/generated/.stamp');
  const sources = [...walk(join(contracts, 'proto')), join(contracts, 'buf.gen.yaml')];
  const newest = Math.max(...sources.map((f) => statSync(f).mtimeMs));
  if (!clean && existsSync(stamp) && statSync(stamp).mtimeMs >= newest) return;
  rmSync(dirname(stamp), { recursive: true, force: true });
  const path = `${join(root, 'node_modules/.bin')}:${process.env.PATH}`;
  const done = spawnSync(join(root, 'node_modules/.bin/buf'), ['generate'], {
    cwd: contracts,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PATH: path },
  });
  if (done.status !== 0) throw new Error('buf generate failed; the lines above say why');
  writeFileSync(stamp, '');
}

/** src/**.ts → dist/**.js with source maps; other files (html, css, json) are copied. Returns how many were written. */
async function buildPackage(folder) {
  const source = join(folder, 'src');
  if (!existsSync(source)) return 0;
  if (clean) rmSync(join(folder, 'dist'), { recursive: true, force: true });
  let written = 0;
  for (const file of walk(source)) {
    if (/\.test\.ts$|\/testdata\/|\.d\.ts$/.test(file)) continue;
    const target = join(folder, 'dist', relative(source, file)).replace(/\.ts$/, '.js');
    if (existsSync(target) && statSync(target).mtimeMs >= statSync(file).mtimeMs) continue;
    mkdirSync(dirname(target), { recursive: true });
    if (file.endsWith('.ts')) await transpile(file, target);
    else copyFileSync(file, target);
    written++;
  }
  return written;
}

async function transpile(file, target) {
  const out = await transformFile(file, {
    cwd: root,
    configFile: join(root, '.swcrc'),
    sourceMaps: true,
    sourceFileName: relative(dirname(target), file),
  });
  writeFileSync(target, `${out.code}\n//# sourceMappingURL=${target.split('/').pop()}.map\n`);
  writeFileSync(`${target}.map`, out.map ?? '');
}

function* walk(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else yield path;
  }
}
