// `npm test`: builds, runs the static checks, then every test that this machine can run. Suites whose peer is absent
// are skipped with their reason; TERCET_REQUIRE="chromium,go" turns such a skip into a failure. Arguments go to Jest.
// The last line is `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const scratch = mkdtempSync(join(tmpdir(), 'tercet-test-'));
const results = join(scratch, 'jest.json');
const script = (name, args) =>
  spawnSync(process.execPath, [join(root, 'scripts', name), ...args], { cwd: root, stdio: 'inherit' }).status ?? 1;

const built = script('build.mjs', ['--quiet']);
if (built !== 0) finish({ passed: 0, failed: 1, skipped: 0 });
const checked = script('check.mjs', ['--no-tests']);
const jest = script('jest.mjs', [
  '--json',
  `--outputFile=${results}`,
  '--workerIdleMemoryLimit=1GB',
  ...process.argv.slice(2),
]);
if (!existsSync(results)) finish({ passed: 0, failed: 1 + checked, skipped: 0 });

const report = JSON.parse(readFileSync(results, 'utf8'));
const broken = report.testResults.filter((suite) => suite.status === 'failed' && suite.assertionResults.length === 0);
finish({
  passed: report.numPassedTests + (checked === 0 ? 1 : 0),
  failed: Math.max(report.numFailedTests + broken.length + (checked === 0 ? 0 : 1), jest === 0 ? 0 : 1),
  skipped: report.numPendingTests + report.numTodoTests,
});

function finish({ passed, failed, skipped }) {
  rmSync(scratch, { recursive: true, force: true });
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exit(failed === 0 ? 0 : 1);
}
