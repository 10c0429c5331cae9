// `npm run test:cluster`: starts a real Kubernetes on this machine (test/cluster/kit), runs the tests of
// test/cluster/src/*.cluster.ts in it and removes it again, whatever happened. Where something is absent, it says what
// and skips; with TERCET_REQUIRE=kubernetes that is a failure. Options: --build makes the programs of the cluster first
// (once, about 20 CPU-minutes), --keep leaves the cluster running. Other arguments go to Jest.
// The last line is `N passed, N failed, N skipped`.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const kit = join(root, 'test/cluster/kit');
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tercet/cluster');
const nodes = 3;
const commands = 'containerd runc ctr iptables nft conntrack ipset ethtool ip pgrep unshare openssl cc ldd strip tar';
const packages =
  'containerd runc containernetworking-plugins iptables nftables conntrack ipset ethtool kmod iproute2 procps';

const args = process.argv.slice(2);
const has = (option) => args.includes(option);
const run = (command, options, env = {}) =>
  spawnSync(command, options, { cwd: root, stdio: ['ignore', 2, 2], env: { ...process.env, ...env } }).status ?? 1;

if (has('--build') && run('nice', ['-n', '10', join(kit, 'build.sh')]) !== 0) finish({ failed: 1 });
const absent = whatIsAbsent();
if (absent !== undefined) {
  const isRequired = (process.env.TERCET_REQUIRE ?? '').split(',').includes('kubernetes');
  console.error(`${isRequired ? 'FAILED' : 'SKIPPED'} the tests on a Kubernetes: ${absent}`);
  finish(isRequired ? { failed: 1 } : { skipped: 1 });
}
if (run(process.execPath, [join(root, 'scripts/build.mjs'), '--quiet']) !== 0) finish({ failed: 1 });
const images = join(cache, 'images');
if (run(process.execPath, [join(kit, 'images.mjs'), images, join(cache, 'bin')]) !== 0) finish({ failed: 1 });

const number = freeNumber();
const state = join(cache, 'run', String(number));
const env = { CLUSTER: String(number) };
const down = () => run(join(kit, 'down.sh'), [], env);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    down();
    process.exit(130);
  });
}
let outcome = { failed: 1 };
try {
  if (run(join(kit, 'up.sh'), [String(nodes)], env) === 0) outcome = runTests();
} finally {
  if (has('--keep'))
    console.error(`KUBECONFIG=${join(state, 'pki/admin.kubeconfig')}; end it: CLUSTER=${number} ${kit}/down.sh`);
  else down();
}
finish(outcome);

/** What these tests need and this machine lacks, with what helps. */
function whatIsAbsent() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'they need Linux and the rights of root';
  const path = (process.env.PATH ?? '').split(':').concat('/usr/sbin', '/sbin');
  const missing = commands.split(' ').filter((name) => !path.some((folder) => existsSync(join(folder, name))));
  if (!existsSync('/usr/lib/cni/bridge')) missing.push('/usr/lib/cni');
  if (missing.length > 0) return `${missing.join(', ')} not found: apt-get install ${packages}`;
  if (!existsSync('/sys/fs/cgroup/cpu')) return 'the kit knows hosts with cgroup v1 only';
  if (!existsSync(join(cache, 'bin/.key'))) return 'the programs are not built: npm run test:cluster -- --build';
  return undefined;
}

/** Of a cluster that does not run. */
function freeNumber() {
  const links = execFileSync('ip', ['-o', 'link', 'show']).toString();
  const found = [...Array(10).keys()].find((number) => !links.includes(` tercet${number}:`));
  if (found === undefined) throw new Error('ten clusters run already');
  return found;
}

function runTests() {
  const scratch = mkdtempSync(join(tmpdir(), 'tercet-cluster-'));
  const results = join(scratch, 'jest.json');
  const kubeconfig = join(state, 'pki/admin.kubeconfig');
  const cluster = { kubeconfig, state, kubectl: join(cache, 'bin/kubectl'), helm: join(cache, 'bin/helm'), nodes };
  const own = args.filter((argument) => argument !== '--build' && argument !== '--keep');
  const config = join(root, 'test/cluster/jest.config.mjs');
  const options = ['--config', config, '--runInBand', '--json', `--outputFile=${results}`, ...own];
  run(process.execPath, [join(root, 'scripts/jest.mjs'), ...options], { TERCET_TEST_CLUSTER: JSON.stringify(cluster) });
  if (!existsSync(results)) return { failed: 1 };
  const report = JSON.parse(readFileSync(results, 'utf8'));
  rmSync(scratch, { recursive: true, force: true });
  const broken = report.testResults.filter((suite) => suite.status === 'failed' && suite.assertionResults.length === 0);
  const { numPassedTests: passed, numFailedTests, numPendingTests: skipped } = report;
  return { passed, failed: numFailedTests + broken.length, skipped };
}

function finish({ passed = 0, failed = 0, skipped = 0 }) {
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exit(failed === 0 ? 0 : 1);
}
