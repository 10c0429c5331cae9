// Question: how fast and how right is the planner? Its simulator against the same formulas played step by step, its
// search over all splits of eight groups, and over fleets of 64 and 1,000 groups with the gap to an upper bound.
import {
  type BestSplit,
  bestSplit,
  disaggregated,
  grown,
  nameOf,
  percentileOf,
  publishedShape,
  simulate,
  simulateStepByStep,
  type Workload,
} from '@tercet/allocation';
import { type BenchOptions, type BenchResult, median } from '../suite.js';
import { drawnTrace } from '../workloads/traces.js';

const shape = publishedShape();
const slo = { ttftMs: 400, tpotMs: 40, attainment: 0.9 };
const mixed = { rps: 4, imagesMax: 2, patchesPerImage: 576, promptTokens: 300, outputTokens: 186 };

/** Options: `--rounds=N` (default 9) of the timed evaluations. */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const rounds = Number(given.find((word) => word.startsWith('--rounds='))?.slice('--rounds='.length) ?? 9);
  const trace = drawnTrace({ ...mixed, requests: 1000, seed: 1 });
  const work = { trace, shape, slo };
  const evaluation = measureEvaluation(work, rounds, say);
  const agreementError = measureAgreement(say);
  const eight = timed(() => bestSplit(work, 8, { variants: false }));
  for (const { split, rps } of eight.found.rated) say(`${nameOf(split).padEnd(10)} ${rps.toFixed(2)} requests/s`);
  const variants = timed(() => bestSplit(work, 8));
  say(`with variants: ${describe(variants.found)}`);
  const fleets: Record<string, number> = {};
  for (const { groups, copies } of [
    { groups: 64, copies: 128 },
    { groups: 1000, copies: 250 },
  ]) {
    const larger = timed(() => bestSplit({ ...work, trace: grown(trace, copies) }, groups, { variants: false }));
    say(`${groups} groups, ${copies * trace.length} requests: ${describe(larger.found)}, ${larger.seconds} s`);
    fleets[`seconds${groups}`] = larger.seconds;
    fleets[`gap${groups}`] = round(larger.found.gap);
  }
  return {
    metrics: {
      ...evaluation,
      agreementError,
      bestOf21Seconds: eight.seconds,
      bestWithVariantsSeconds: variants.seconds,
      ...fleets,
    },
    peer: {
      formulas: "DistServe's, OPT-13B on an A100; played step by step by a twin in this repository",
      published: 'simdistserve took 2.2 to 3.0 CPU-seconds for an evaluation of 1,000 requests on a 2-core machine',
      node: process.version,
    },
  };
}

/** Milliseconds of processor time for one replay of a thousand requests, over splits of several kinds. */
function measureEvaluation(work: Workload, rounds: number, say: (line: string) => void): Record<string, number> {
  const splits = [disaggregated(1, 1, 1), disaggregated(2, 2, 4), disaggregated(0, 4, 4)];
  const repeats = 20;
  const times: number[] = [];
  const plain: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const ms = cpuMs(() => {
      for (let i = 0; i < repeats; i++) for (const split of splits) simulate(work.trace, split, shape);
    });
    const plainMs = cpuMs(() => simulateStepByStep(work.trace, disaggregated(0, 2, 4), shape));
    if (round < 0) continue;
    times.push(ms / (repeats * splits.length));
    plain.push(plainMs);
  }
  say(`an evaluation of ${work.trace.length} requests: ${median(times).toFixed(2)} ms CPU`);
  say(`the same step by step: ${median(plain).toFixed(0)} ms CPU`);
  return { msPerEvaluation: round(median(times)), stepByStepMs: round(median(plain)) };
}

/** The largest relative error of P90 TTFT and TPOT against the step-by-step twin, over rates and P/D splits. */
function measureAgreement(say: (line: string) => void): number {
  let worst = 0;
  for (const split of [
    disaggregated(0, 1, 1),
    disaggregated(0, 1, 2),
    disaggregated(0, 2, 2),
    disaggregated(0, 3, 5),
  ]) {
    for (const [seed, load] of [0.3, 0.6, 0.8, 0.9, 1].entries()) {
      const rps = load * Math.min(split.prefill * 17, split.decode * 12);
      const trace = drawnTrace({ ...mixed, imagesMax: 0, rps, requests: 1000, seed: 100 + seed });
      const [ours, plain] = [simulate(trace, split, shape), simulateStepByStep(trace, split, shape)];
      const errors = (['ttftMs', 'tpotMs'] as const).map((part) => {
        return Math.abs(percentileOf(ours[part], 0.9) / percentileOf(plain[part], 0.9) - 1);
      });
      worst = Math.max(worst, ...errors);
      const shown = errors.map((error) => `${(100 * error).toFixed(3)} %`).join(', ');
      say(`${nameOf(split)} at ${rps.toFixed(1)} requests/s: P90 TTFT and TPOT differ by ${shown}`);
    }
  }
  return worst;
}

function describe({ best, gap, evaluations }: BestSplit): string {
  const bound = gap === 0 ? '' : `, at most ${(100 * gap).toFixed(1)} % below the best there can be`;
  return `${nameOf(best.split)} serves ${best.rps.toFixed(1)} requests/s${bound} (${evaluations} splits looked at)`;
}

function timed<T>(work: () => T): { found: T; seconds: number } {
  const start = performance.now();
  const found = work();
  return { found, seconds: round((performance.now() - start) / 1000) };
}

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
