// Runs Jest with ES modules. `node scripts/jest.mjs [--unit] [path …] [jest options]`
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const args = process.argv.slice(2);
const only = args.includes('--unit') ? ['--selectProjects', 'unit'] : [];
const done = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--no-warnings=ExperimentalWarning',
    join(dirname(require.resolve('jest/package.json')), 'bin', 'jest.js'),
    ...only,
    ...args.filter((a) => a !== '--unit'),
  ],
  { cwd: root, stdio: 'inherit' },
);
process.exit(done.status ?? 1);
