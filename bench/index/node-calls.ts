// One call per query, as a Node program makes them: the cost of the way into native code and back is in it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { GraphIndex } from '@tercet/vector-index';
import { indexCache } from './cache.js';
import { ratioOf } from './rounds.js';
import { k, recallOf, time } from './searchers.js';
import type { VectorSet } from './vector-set.js';

const packages = { 'hnswlib-node': '3.0.0', usearch: '2.25.3' } as const;
const folder = join(dirname(indexCache), 'node-index');
const efs = [10, 14, 20, 28, 40, 56, 80, 112, 160, 224];
const recallWanted = 0.95;

interface Caller {
  readonly name: string;
  setEf(ef: number): void;
  search(query: Float32Array): ArrayLike<number>;
}

interface NodeCalls {
  readonly metrics: Record<string, number>;
  readonly omitted: Record<string, string>;
  readonly peer: Record<string, string>;
}

interface Options {
  readonly truth: Uint32Array;
  readonly rounds: number;
  readonly say: (line: string) => void;
}

/** Ours against the faster of the two bindings, each at the shortest list that reaches the recall. */
export async function measureNodeCalls(
  set: VectorSet,
  index: GraphIndex,
  { truth, rounds, say }: Options,
): Promise<NodeCalls> {
  const callers: Caller[] = [ourCaller(index)];
  const omitted: Record<string, string> = {};
  for (const open of [openHnswlibNode, openUsearch]) {
    try {
      callers.push(open(set, say));
    } catch (error) {
      omitted[`${set.name}.${open.name}`] = (error as Error).message.split('\n')[0] ?? '';
    }
  }
  const speeds = new Map<string, number[]>();
  const ready = callers.filter((caller) => reach(caller, set, truth));
  for (let round = 0; round < rounds; round++) {
    for (const caller of ready) {
      const { timed } = time(() => ask(caller, set));
      speeds.set(caller.name, [...(speeds.get(caller.name) ?? []), set.queries.length / set.dim / timed.cpuS]);
    }
  }
  const ours = speeds.get('tercet') ?? [];
  const ratios = ready.slice(1).map(({ name }) => ratioOf(ours, speeds.get(name) ?? []));
  for (const { name } of ready) {
    const { median: qps } = ratioOf(
      speeds.get(name) ?? [],
      ours.map(() => 1),
    );
    say(`${set.name} one call per query: ${name} ${Math.round(qps)}/CPU s`);
  }
  const worst = ratios.toSorted((a, b) => a.median - b.median)[0];
  return {
    metrics: { nodeCallRatio: worst?.median ?? Number.NaN, nodeCallRatioLow: worst?.low ?? Number.NaN },
    omitted,
    peer: Object.fromEntries(Object.entries(packages).map(([name, version]) => [`npm ${name}`, version])),
  };
}

/** Sets the shortest list that is long enough. */
function reach(caller: Caller, set: VectorSet, truth: Uint32Array): boolean {
  return efs.some((ef) => {
    caller.setEf(ef);
    return recallOf(ask(caller, set), truth) >= recallWanted;
  });
}

function ask({ search }: Caller, { queries, dim }: VectorSet): Uint32Array {
  const count = queries.length / dim;
  const found = new Uint32Array(count * k);
  for (let i = 0; i < count; i++) found.set(search(queries.subarray(i * dim, (i + 1) * dim)), i * k);
  return found;
}

function ourCaller(index: GraphIndex): Caller {
  let efSearch = k;
  return {
    name: 'tercet',
    setEf: (ef) => {
      efSearch = ef;
    },
    search: (queries) => index.search({ queries, k, efSearch }).slots,
  };
}

interface HnswlibNode {
  initIndex(options: { maxElements: number; m: number; efConstruction: number }): void;
  addPoint(vector: number[], label: number): void;
  setEf(ef: number): void;
  searchKnn(vector: number[], k: number): { neighbors: number[] };
}

function openHnswlibNode(set: VectorSet, say: (line: string) => void): Caller {
  type Module = { HierarchicalNSW: new (space: string, dim: number) => HnswlibNode };
  const { HierarchicalNSW } = installed(say)('hnswlib-node') as Module;
  const index = new HierarchicalNSW('ip', set.dim);
  index.initIndex({ maxElements: set.base.length / set.dim, m: 16, efConstruction: 200 });
  for (const [i, vector] of rowsOf(set)) index.addPoint(Array.from(vector), i);
  return {
    name: 'hnswlib-node',
    setEf: (ef) => index.setEf(ef),
    search: (query) => index.searchKnn(Array.from(query), k).neighbors,
  };
}

interface UsearchIndex {
  add(keys: BigUint64Array, vectors: Float32Array, threads: number): void;
  search(vector: Float32Array, k: number, threads: number): { keys: BigUint64Array };
}

/** Its list cannot be set after it was made: it is made with one that is long enough for the recall on the real set. */
function openUsearch(set: VectorSet, say: (line: string) => void): Caller {
  type Module = { Index: new (options: object) => UsearchIndex };
  const { Index } = installed(say)('usearch') as Module;
  const metric = { dimensions: set.dim, metric: 'ip', quantization: 'f32', connectivity: 16 };
  const index = new Index({ ...metric, expansion_add: 200, expansion_search: 56 });
  const keys = BigUint64Array.from({ length: set.base.length / set.dim }, (_, i) => BigInt(i));
  index.add(keys, set.base, 1);
  return {
    name: 'usearch',
    setEf: () => undefined,
    search: (query) => Array.from(index.search(query, k, 1).keys, Number),
  };
}

function installed(say: (line: string) => void): NodeJS.Require {
  if (!existsSync(join(folder, 'node_modules', 'usearch'))) {
    const wanted = Object.entries(packages).map(([name, version]) => `${name}@${version}`);
    say(`installing ${wanted.join(', ')} …`);
    mkdirSync(folder, { recursive: true });
    const flags = ['--prefix', folder, '--no-audit', '--no-fund', '--silent'];
    execFileSync('npm', ['install', ...flags, ...wanted], { cwd: folder, stdio: ['ignore', 2, 2] });
  }
  return createRequire(join(folder, 'package.json'));
}

function* rowsOf({ base, dim }: VectorSet): Generator<[number, Float32Array]> {
  for (let i = 0; i * dim < base.length; i++) yield [i, base.subarray(i * dim, (i + 1) * dim)];
}
