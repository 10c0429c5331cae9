// `pnpm check`: types, protobuf and what it must not break, lint and format, import rules, tidy rules, third-party
// notices, unit tests. Stops at nothing: every part reports. `--no-tests` leaves the unit tests out (the full test run
// has them anyway).
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tidyProblems } from './check/tidy.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (name) => join(root, 'node_modules/.bin', name);
const sources = ['libs', 'services', 'cli', 'deploy', 'web', 'bench', 'test'];
const cruised = sources.filter((folder) => existsSync(join(root, folder)));
const parts = [
  ['contracts', process.execPath, [join(root, 'scripts/build.mjs'), '--quiet']],
  ['types', bin('tsc'), ['--noEmit', '-p', 'tsconfig.json']],
  ['protobuf', bin('buf'), ['lint', 'libs/contracts']],
  ['wire', bin('buf'), ['breaking', 'libs/contracts', '--against', 'libs/contracts/released.bin#format=binpb']],
  ['lint', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['imports', bin('depcruise'), ['--config', 'scripts/check/import-rules.cjs', '--output-type', 'err', ...cruised]],
  ['tidy', undefined, []],
  ['notices', process.execPath, [join(root, 'scripts/notices.mjs'), '--check']],
  ['unit tests', process.execPath, [join(root, 'scripts/jest.mjs'), '--unit', '--silent']],
].filter(([name]) => name !== 'unit tests' || !process.argv.includes('--no-tests'));

const failed = parts.filter(([name, file, args]) => !passes(name, file, args)).map(([name]) => name);
console.log(failed.length === 0 ? 'check: all well' : `check: failed in ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);

function passes(name, file, args) {
  const start = performance.now();
  const ok = file === undefined ? tidy() : spawnSync(file, args, { cwd: root, stdio: 'inherit' }).status === 0;
  console.log(`${ok ? '✓' : '✗'} ${name} ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return ok;
}

function tidy() {
  const listed = spawnSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  const files = listed.stdout.split('\n').filter((file) => file !== '' && existsSync(join(root, file)) && isText(file));
  let problems = 0;
  for (const file of files) {
    for (const { rule, line, message } of tidyProblems(file, readFileSync(join(root, file), 'utf8'))) {
      console.error(`${file}:${line}: ${rule}: ${message}`);
      problems++;
    }
  }
  return problems === 0;
}

function isText(file) {
  return !/\.(gguf|png|jpg|jpeg|webp|gif|bin|safetensors|npz|tar|gz|woff2|ico)$/.test(file);
}
