// Entry of every npm script: installs what is missing, re-runs itself under the pinned Node, then does the work.
// Plain JavaScript that any Node ≥ 20 runs, because it is the first thing a fresh clone executes.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const pnpmVersion = manifest.devEngines.packageManager.version;
const stamp = join(root, 'node_modules', '.tercet-installed');

const commands = {
  up: () => runBuilt('cli/dist/main.js', ['up', ...rest]),
  cli: () => runBuilt('cli/dist/main.js', rest),
  bench: () => runSource('bench/main.ts', rest),
  test: () => runScript('test.mjs', rest),
  'test:cluster': () => runScript('test-cluster.mjs', rest),
  check: () => runScript('check.mjs', rest),
  build: () => runScript('build.mjs', rest),
  install: () => 0,
};

const [command = 'up', ...rest] = process.argv.slice(2);
const work = commands[command];
if (work === undefined) {
  console.error(`unknown command '${command}'; one of: ${Object.keys(commands).join(', ')}`);
  process.exit(2);
}
if (needsInstall()) install();
const node = pinnedNode();
if (node !== undefined && process.execPath !== node && process.env.TERCET_NODE !== node) {
  process.exitCode = await run(node, [fileURLToPath(import.meta.url), command, ...rest], { TERCET_NODE: node });
} else {
  process.exitCode = await work();
}

/** True when the lock file or a manifest is newer than the last install. */
function needsInstall() {
  if (!existsSync(stamp)) return true;
  const installed = statSync(stamp).mtimeMs;
  return ['pnpm-lock.yaml', 'package.json'].some(
    (f) => existsSync(join(root, f)) && statSync(join(root, f)).mtimeMs > installed,
  );
}

function install() {
  console.error(`installing packages with pnpm ${pnpmVersion} …`);
  const args = ['--yes', `pnpm@${pnpmVersion}`, 'install', '--frozen-lockfile', '--reporter=append-only'];
  const done = spawnSync('npx', args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.status !== 0) {
    console.error('the packages could not be installed; the lines above say why');
    process.exit(1);
  }
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, `${new Date().toISOString()}\n`);
}

/** Path of the pinned Node that came with the packages; undefined where this platform has none and this one serves. */
function pinnedNode() {
  const require = createRequire(join(root, 'package.json'));
  try {
    return join(dirname(require.resolve(`node-${process.platform}-${process.arch}/package.json`)), 'bin', 'node');
  } catch {
    const major = Number(process.versions.node.split('.')[0]);
    if (major >= 24) return undefined;
    console.error(
      `tercet needs Node 24 on ${process.platform}-${process.arch}; this is ${process.versions.node}. ` +
        'Install Node 24 and run again.',
    );
    process.exit(1);
  }
}

async function runBuilt(file, args) {
  const built = await runScript('build.mjs', ['--quiet']);
  return built === 0 ? run(process.execPath, ['--enable-source-maps', join(root, file), ...args]) : built;
}

/** Runs a TypeScript entry against the sources; the build before it is for the processes that the entry starts. */
async function runSource(file, args) {
  const built = await runScript('build.mjs', ['--quiet']);
  const loader = ['--conditions=tercet-source', '--enable-source-maps', join(root, 'scripts/ts.mjs')];
  return built === 0 ? run(process.execPath, [...loader, join(root, file), ...args]) : built;
}

function runScript(name, args) {
  return run(process.execPath, [join(root, 'scripts', name), ...args]);
}

/** Runs a child, hands signals on to it and resolves to its exit code. */
function run(file, args, env = {}) {
  return new Promise((resolve) => {
    const path = `${dirname(file)}:${process.env.PATH}`;
    const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, ...env, PATH: path } });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('error', (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}
