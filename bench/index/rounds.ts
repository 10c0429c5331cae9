import { median } from '../suite.js';
import type { Searcher } from './searchers.js';

/** Lengths of the list of candidates that are tried, for a recall to be reached. */
const grid = [10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 56, 68, 80, 96, 112, 136, 160, 192, 224, 272, 320, 384];

export interface Setting {
  readonly searcher: Searcher;
  readonly ef: number;
  readonly recall: number;
}

/** Speed of every round, at one setting. */
export interface Speeds extends Setting {
  /** Queries per CPU second. */
  readonly cpuQps: readonly number[];
  readonly wallQps: readonly number[];
}

/** The shortest list with which a searcher reaches the recall; undefined where none does. */
export async function settingFor(searcher: Searcher, recall: number): Promise<Setting | undefined> {
  for (const ef of grid) {
    const found = await searcher.search(ef);
    if (found.recall >= recall) return { searcher, ef, recall: found.recall };
  }
  return undefined;
}

/** Every setting once a round, in an order that moves on from round to round. */
export async function runRounds(settings: readonly Setting[], rounds: number, queries: number): Promise<Speeds[]> {
  const speeds = settings.map((setting) => ({ ...setting, cpuQps: [] as number[], wallQps: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < speeds.length; i++) {
      const each = speeds[(i + round) % speeds.length];
      if (each === undefined) continue;
      const { cpuS, wallS } = await each.searcher.search(each.ef);
      each.cpuQps.push(queries / cpuS);
      each.wallQps.push(queries / wallS);
    }
  }
  return speeds;
}

export interface Ratio {
  readonly median: number;
  /** Lower end of the 95 % interval of the mean, of the logarithms of the paired ratios. */
  readonly low: number;
}

/** Of the first to the second, round by round. */
export function ratioOf(a: readonly number[], b: readonly number[]): Ratio {
  const logs = a.map((value, i) => Math.log(value / (b[i] ?? Number.NaN)));
  const mean = logs.reduce((sum, each) => sum + each, 0) / logs.length;
  const variance = logs.reduce((sum, each) => sum + (each - mean) ** 2, 0) / Math.max(logs.length - 1, 1);
  const low = Math.exp(mean - 1.96 * Math.sqrt(variance / logs.length));
  return { median: Math.exp(median(logs)), low: logs.length > 1 ? low : Number.NaN };
}

/** The one that is fastest in the middle of the rounds. */
export function fastest(speeds: readonly Speeds[]): Speeds | undefined {
  return speeds.toSorted((a, b) => median(b.cpuQps) - median(a.cpuQps))[0];
}
