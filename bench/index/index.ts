// Question: at equal recall, does the index answer faster than the best library on this machine, and with how much
// memory? Every library on one thread, at the shortest list that reaches the recall, all of them in turn, in rounds.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BenchOptions, type BenchResult, median } from '../suite.js';
import { debianSet } from './debian-set.js';
import { measureNodeCalls } from './node-calls.js';
import { type PeerName, PeerProcess, peerNames } from './peer-process.js';
import { fastest, type Ratio, ratioOf, runRounds, type Setting, type Speeds, settingFor } from './rounds.js';
import { buildOurs, buildPeer, k, nativeKernels, type OurSearcher, type Searcher } from './searchers.js';
import { syntheticSet } from './synthetic-set.js';
import type { VectorSet } from './vector-set.js';

const recalls = [
  { share: 0.95, name: '95' },
  { share: 0.99, name: '99' },
] as const;

interface Settings {
  readonly rounds: number;
  readonly peers: readonly PeerName[];
  readonly say: (line: string) => void;
}

interface Found {
  readonly metrics: Record<string, number>;
  readonly peer: Record<string, string>;
  readonly omitted: Record<string, string>;
}

/**
 * Options: `--sets=deb384,syn384` (both), `--size=N` vectors of the synthetic set (200000), `--dim=N` of it (384),
 * `--rounds=N` (15), `--peers=a,b` (all).
 */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const options = { size: text('200000'), dim: text('384'), rounds: text('15'), peers: text(peerNames.join(',')) };
  const { values } = parseArgs({ args: [...given], options: { ...options, sets: text('deb384,synthetic') } });
  const peers = peerNames.filter((name) => values.peers.split(',').includes(name));
  const settings = { rounds: Number(values.rounds), peers, say };
  const all: Found = { metrics: {}, peer: { kernels: nativeKernels().variant, node: process.version }, omitted: {} };
  const wanted = values.sets.split(',');
  const sets: (VectorSet | string)[] = [];
  if (wanted.includes('deb384')) sets.push(await debianSet(say));
  if (wanted.includes('synthetic')) sets.push(syntheticSet(Number(values.size), Number(values.dim), say));
  for (const set of sets) {
    if (typeof set === 'string') {
      all.omitted.deb384 = set;
      continue;
    }
    const found = await measureSet(set, settings);
    for (const part of ['metrics', 'peer', 'omitted'] as const) Object.assign(all[part], found[part]);
  }
  return all;
}

async function measureSet(set: VectorSet, { rounds, peers: names, say }: Settings): Promise<Found> {
  using peers = PeerProcess.start(say);
  const files = { base: 'documents.f32', queries: 'queries.f32', truth: 'truth.u32' };
  const paths = Object.fromEntries(Object.entries(files).map(([key, file]) => [key, join(set.folder, file)]));
  const { base = '', queries = '', truth: truthPath = '' } = paths;
  const versions = await peers.load({ base, queries, truth: truthPath, dim: set.dim });
  const { buffer, byteOffset, length } = readFileSync(truthPath);
  const truth = new Uint32Array(buffer.slice(byteOffset, byteOffset + length));
  using coded = buildOurs('tercet', set, {}, truth);
  using float = buildOurs('tercetFloat32', set, { code: { kind: 'float32' } }, truth);
  const others: Searcher[] = [];
  const omitted: Record<string, string> = {};
  for (const name of names) {
    try {
      others.push(await buildPeer(peers, name));
    } catch (error) {
      omitted[`${set.name}.${name}`] = (error as Error).message;
    }
  }
  for (const each of [coded, float, ...others]) say(builtLine(set, each));
  const metrics: Record<string, number> = { ...buildMetrics(coded, float, others) };
  for (const recall of recalls) {
    Object.assign(metrics, await measureRecall(recall, { coded, float, others, set, rounds, say }));
  }
  const calls = await measureNodeCalls(set, coded.index, { truth, rounds, say });
  Object.assign(metrics, calls.metrics);
  Object.assign(omitted, calls.omitted);
  const named = Object.fromEntries(Object.entries(metrics).map(([key, value]) => [`${set.name}.${key}`, value]));
  return { metrics: named, peer: { ...versions, ...calls.peer }, omitted };
}

function buildMetrics(coded: OurSearcher, float: OurSearcher, others: readonly Searcher[]): Record<string, number> {
  const buildS = (name: string) => others.find((each) => each.name === name)?.build.cpuS ?? Number.NaN;
  const bytes = others.find(({ name }) => name === 'hnswlib')?.bytes ?? Number.NaN;
  return {
    memoryRatio: float.bytes / coded.bytes,
    memoryRatioHnswlib: bytes / coded.bytes,
    buildRatio: buildS('faissSq8') / coded.build.cpuS,
    float32BuildRatio: buildS('hnswlib') / float.build.cpuS,
  };
}

interface Measured {
  readonly coded: Searcher;
  readonly float: Searcher;
  readonly others: readonly Searcher[];
  readonly set: VectorSet;
  readonly rounds: number;
  readonly say: (line: string) => void;
}

/** All that reach the recall, in rounds: ours against the fastest of the others. */
async function measureRecall(
  { share, name }: (typeof recalls)[number],
  { coded, float, others, set, rounds, say }: Measured,
): Promise<Record<string, number>> {
  const settings: Setting[] = [];
  for (const searcher of [coded, float, ...others]) {
    const setting = await settingFor(searcher, share);
    if (setting === undefined) say(`${set.name} ${share}: ${searcher.name} never reaches it`);
    else settings.push(setting);
  }
  const speeds = await runRounds(settings, rounds, set.queries.length / set.dim);
  for (const each of speeds) say(speedLine(set, share, each));
  const of = (searcher: Searcher | undefined) => speeds.find((each) => each.searcher === searcher);
  const best = fastest(speeds.filter(({ searcher }) => others.includes(searcher)));
  const against = (ours: Searcher, other: Speeds | undefined): Ratio => {
    const mine = of(ours);
    return mine === undefined || other === undefined
      ? { median: Number.NaN, low: Number.NaN }
      : ratioOf(mine.cpuQps, other.cpuQps);
  };
  const ratio = against(coded, best);
  const floats = against(float, of(others.find((other) => other.name === 'hnswlib')));
  say(`${set.name} ${share}: ${ratio.median.toFixed(2)} times ${best?.searcher.name ?? 'nobody'}`);
  return {
    [`qpsRatio${name}`]: ratio.median,
    [`qpsRatio${name}Low`]: ratio.low,
    [`float32Ratio${name}`]: floats.median,
    [`float32Ratio${name}Low`]: floats.low,
    [`qps${name}`]: median(of(coded)?.cpuQps ?? []),
    [`recall${name}`]: of(coded)?.recall ?? Number.NaN,
  };
}

function builtLine(set: VectorSet, { name, build, bytes }: Searcher): string {
  const perVector = Math.round(bytes / (set.base.length / set.dim));
  return `${set.name} ${name.padEnd(14)} built in ${build.cpuS.toFixed(1)} CPU s, ${perVector} bytes a vector`;
}

function speedLine(set: VectorSet, share: number, { searcher, ef, recall, cpuQps, wallQps }: Speeds): string {
  const qps = `${Math.round(median(cpuQps))}/CPU s, ${Math.round(median(wallQps))}/s`;
  return `${set.name} ${share} ${searcher.name.padEnd(14)} ef ${ef}, recall@${k} ${recall.toFixed(4)}: ${qps}`;
}
