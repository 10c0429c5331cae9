// `npm run -s bench -- SUITE [--json] [suite options]`: runs one suite and prints what it found; the last line is one
// JSON object {suite, metrics, peer, omitted, commit, machine}; omitted, where there is any, says why.
// Progress and tables go to standard error with --json.
import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { type BenchResult, type BenchSuite, onlyMeasured } from './suite.js';

const suites: Record<string, () => Promise<BenchSuite>> = {
  engine: () => import('./engine/engine.js'),
  transfer: () => import('./serving/transfer.js'),
  serving: () => import('./serving/serving.js'),
  'eval:tiny': () => import('./eval/tiny.js'),
  agreement: () => import('./eval/agreement.js'),
  planner: () => import('./planner/planner.js'),
  switch: () => import('./switch/switch.js'),
  costs: () => import('./costs/costs.js'),
  prediction: () => import('./costs/prediction.js'),
  kafka: () => import('./events/kafka.js'),
  reallocate: () => import('./planner/reallocate.js'),
  jobs: () => import('./events/jobs.js'),
  routing: () => import('./serving/routing.js'),
  ingest: () => import('./index/ingest.js'),
  index: () => import('./index/index.js'),
};

const [name, ...rest] = process.argv.slice(2);
const load = name === undefined ? undefined : suites[name];
if (load === undefined) {
  const known = Object.keys(suites).join(', ');
  console.error(`usage: npm run -s bench -- SUITE [--json]; suites: ${known}`);
  process.exit(2);
}
const json = rest.includes('--json');
const suite = await load();
const result = onlyMeasured(await suite.run({ arguments: rest.filter((argument) => argument !== '--json'), say }));
if (!json) printTable(result);
console.log(JSON.stringify({ suite: name, ...result, commit: commit(), machine: machine() }));

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function printTable(result: BenchResult): void {
  const width = Math.max(...Object.keys(result.metrics).map((key) => key.length));
  for (const [key, value] of Object.entries(result.metrics)) console.log(`${key.padEnd(width)}  ${value}`);
  for (const [key, reason] of Object.entries(result.omitted ?? {})) console.log(`${key}: ${reason}`);
}

function commit(): string {
  try {
    const dirty = execFileSync('git', ['status', '--porcelain'], { encoding: 'utf8' }).trim() !== '';
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim() + (dirty ? '+' : '');
  } catch {
    return 'unknown';
  }
}

function machine(): string {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${first?.model ?? 'unknown'}, ${memory} GiB, ${process.platform}-${process.arch}`;
}
