// Question: is it worth moving groups between the stages? Fleets whose costs differ from what the planner was told by
// up to a fifth, and drift, serve traces that shift between image-heavy, long-prompt and long-output requests; ours
// against the best split that never changes, EPDServe's queue rule, and a planner that leaves the encoders alone.
import {
  bestSplit,
  disaggregated,
  type FleetShape,
  nameOf,
  publishedShape,
  type Split,
  type StageName,
  splitsOf,
  stageNames,
  type Trace,
  traceOf,
} from '@tercet/allocation';
import { Prng } from '@tercet/base';
import { type BenchOptions, type BenchResult, median } from '../suite.js';
import { drawnTrace } from '../workloads/traces.js';
import { Plant, rolesOf } from './plant.js';
import { dwellMs, type Policy, planned, queueRule, staticSplit, tickMs } from './policies.js';

const slo = { ttftMs: 1000, tpotMs: 40, attainment: 0.9 };
const switchMs = 500;
const kinds = [
  { imagesMax: 8, patchesPerImage: 576, promptTokens: 250, outputTokens: 60 },
  { imagesMax: 0, patchesPerImage: 0, promptTokens: 900, outputTokens: 40 },
  { imagesMax: 1, patchesPerImage: 576, promptTokens: 250, outputTokens: 500 },
];

interface Scenario {
  readonly seed: number;
  readonly groups: number;
  readonly phaseMs: number;
  readonly phases: number;
  /** Offered rate as a share of what the best split of the phase serves. */
  readonly load: number;
}

/** Options: `--seeds=A,B,…` (101 to 106), `--groups=A,B,…` of each (8 to 64), `--phases=N` (6). */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const numbers = (name: string, otherwise: string) =>
    (given.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3) ?? otherwise).split(',').map(Number);
  const seeds = numbers('seeds', '101,102,103,104,105,106');
  const sizes = numbers('groups', '8,8,12,16,32,64');
  const phases = numbers('phases', '6')[0] as number;
  const results: Result[] = [];
  for (const [i, seed] of seeds.entries()) {
    const groups = sizes[i % sizes.length] as number;
    const scenario = { seed, groups, phaseMs: 180_000, phases, load: 0.7 };
    const result = compare(scenario);
    results.push(result);
    const shown = Object.entries(result.goodput).map(([name, rps]) => `${name} ${rps.toFixed(2)}`);
    say(`seed ${seed}, ${groups} groups: ${shown.join(', ')}; ${result.moves} moves`);
    say(`  best static ${nameOf(result.bestStatic)}`);
  }
  const ratio = (name: keyof Goodputs) => median(results.map(({ goodput }) => goodput.planner / goodput[name]));
  const losses = results.flatMap(({ scenario, goodput }) =>
    (Object.keys(goodput) as (keyof Goodputs)[])
      .filter((name) => name !== 'oracle' && name !== 'planner' && goodput[name] > goodput.planner)
      .map((name) => `seed ${scenario.seed}: ${name}`),
  );
  say(losses.length === 0 ? 'no loss' : `lost against ${losses.join('; ')}`);
  const hours = (scenario: Scenario) => (scenario.phaseMs * scenario.phases) / 3_600_000;
  return {
    metrics: {
      goodputVsStatic: round(ratio('static')),
      goodputVsQueueRule: round(ratio('queueRule')),
      goodputVsPdOnly: round(ratio('pdOnly')),
      shareOfOracle: round(ratio('oracle')),
      movesPerHour: round(median(results.map(({ moves, scenario }) => moves / hours(scenario)))),
      turnsWithinDwell: Math.max(...results.map(({ turns }) => turns)),
      losses: losses.length,
    },
    peer: {
      static: 'the best split that never changes, found by playing all of them (up to 12 groups; above, those around)',
      queueRule: "EPDServe's published rule, by who waits or by who is unfinished: the better of the two",
      pdOnly: 'the same planner with as many encoders as the best static split has',
      oracle:
        'heads for the split that the true costs of a phase want from its first moment on; drains, switches in no time',
      node: process.version,
    },
  };
}

interface Goodputs {
  planner: number;
  static: number;
  queueRule: number;
  pdOnly: number;
  oracle: number;
}

interface Result {
  readonly scenario: Scenario;
  readonly goodput: Goodputs;
  readonly bestStatic: Split;
  readonly moves: number;
  readonly turns: number;
}

function compare(scenario: Scenario): Result {
  const shape = publishedShape();
  const { trace, phaseSplits, trueSplits } = shiftingTrace(scenario, shape);
  const seconds = (scenario.phaseMs * scenario.phases) / 1000;
  const play = (policy: Policy, start: Split) => playOut({ scenario, shape, trace, policy, start });
  const statics = staticCandidates(scenario.groups, phaseSplits).map((split) => {
    return { split, met: play(staticSplit(split), split).met };
  });
  const best = statics.reduce((a, b) => (b.met > a.met ? b : a));
  const start = best.split;
  const planner = { trace, shape, slo, switchMs };
  const ours = play(planned({ ...planner, name: 'planner' }), start);
  const pdOnly = play(planned({ ...planner, name: 'P/D only', fixed: ['encode'] }), start);
  const rules = (['waiting', 'unfinished'] as const).map((counts) => play(queueRule(counts), start).met);
  const policy = clairvoyant(scenario, trueSplits);
  const oracle = playOut({ scenario, shape, trace, policy, start: trueSplits[0] as Split, instantly: true });
  return {
    scenario,
    bestStatic: start,
    moves: ours.moves,
    turns: ours.turns,
    goodput: {
      planner: ours.met / seconds,
      static: best.met / seconds,
      queueRule: Math.max(...rules) / seconds,
      pdOnly: pdOnly.met / seconds,
      oracle: oracle.met / seconds,
    },
  };
}

interface PlayOut {
  readonly scenario: Scenario;
  readonly shape: FleetShape;
  readonly trace: Trace;
  readonly policy: Policy;
  readonly start: Split;
  readonly instantly?: boolean;
}

interface Played {
  /** Requests that met the objectives. */
  readonly met: number;
  readonly moves: number;
  readonly turns: number;
}

/** Plays a trace under a policy. */
function playOut({ scenario, shape, trace, policy, start, instantly = false }: PlayOut): Played {
  const plant = new Plant({
    trace,
    shape,
    roles: rolesOf(start),
    switchMs: instantly ? 0 : switchMs,
    queueMax: 6 * scenario.groups,
    slowness: slownessOf(scenario.seed),
    onWork: (stage, features, ms) => policy.onWork?.(stage, features, ms),
  });
  const endMs = scenario.phaseMs * scenario.phases;
  for (let ms = 0; ms <= endMs; ms += tickMs) {
    plant.runUntil(ms);
    policy.tick(plant);
  }
  plant.runUntil(Number.POSITIVE_INFINITY);
  let met = 0;
  for (let i = 0; i < trace.length; i++) {
    const [first, end] = [plant.firstMs[i] as number, plant.endMs[i] as number];
    const tokens = trace.outputTokens[i] as number;
    const isFast = tokens === 1 || (end - first) / (tokens - 1) <= slo.tpotMs;
    if (first - (trace.arrivalMs[i] as number) <= slo.ttftMs && isFast) met++;
  }
  return { met, moves: plant.moves.length, turns: turnsOf(plant.moves) };
}

/** Moves that take back another one before its dwell was over. */
function turnsOf(moves: Plant['moves']): number {
  return moves.filter(({ atMs, from, to }) =>
    moves.some((earlier) => {
      const isBack = earlier.from === to && earlier.to === from;
      return isBack && earlier.atMs < atMs && atMs - earlier.atMs < dwellMs;
    }),
  ).length;
}

/** Up to a fifth off for each stage, and a slow swing of a tenth about that. */
function slownessOf(seed: number) {
  const prng = new Prng(seed * 7919);
  const off = Object.fromEntries(stageNames.map((stage) => [stage, 0.8 + 0.4 * prng.nextFloat()]));
  const turn = prng.nextFloat() * 2 * Math.PI;
  return (stage: StageName, atMs: number) => (off[stage] as number) * (1 + 0.1 * Math.sin(turn + atMs / 90_000));
}

function slowed(shape: FleetShape, slowness: (stage: StageName) => number): FleetShape {
  const { encode, prefill, decode } = shape.costs;
  const all = <T extends object>(cost: T, by: number) =>
    Object.fromEntries(Object.entries(cost).map(([name, ms]) => [name, (ms as number) * by])) as T;
  const by = slowness('decode');
  return {
    ...shape,
    costs: {
      ...shape.costs,
      encode: all(encode, slowness('encode')),
      prefill: all(prefill, slowness('prefill')),
      decode: { ...decode, small: all(decode.small, by), large: all(decode.large, by) },
    },
  };
}

/** One phase after the other, each at its share of what its best split would serve. */
function shiftingTrace({ seed, groups, phaseMs, phases, load }: Scenario, shape: FleetShape) {
  const requests: Parameters<typeof traceOf>[0][number][] = [];
  const phaseSplits: Split[] = [];
  const trueSplits: Split[] = [];
  const slowness = slownessOf(seed);
  const prng = new Prng(seed);
  let kind = prng.nextBelow(kinds.length);
  for (let phase = 0; phase < phases; phase++) {
    const mix = kinds[kind] as (typeof kinds)[number];
    const sample = drawnTrace({ ...mix, seed: seed * 31 + kind, requests: 150 * groups, rps: groups });
    const work = { trace: sample, shape, slo };
    const { best } = bestSplit(work, groups, { variants: false, tolerance: 0.02 });
    phaseSplits.push(best.split);
    const truth = { ...work, shape: slowed(shape, (stage) => slowness(stage, (phase + 0.5) * phaseMs)) };
    trueSplits.push(bestSplit(truth, groups, { variants: false, tolerance: 0.02 }).best.split);
    const rps = best.rps * load * (0.9 + 0.2 * prng.nextFloat());
    const count = Math.floor((rps * phaseMs) / 1000);
    const drawn = drawnTrace({ ...mix, seed: seed * 1009 + phase, requests: count, rps });
    for (let i = 0; i < drawn.length; i++) {
      const of = (column: ArrayLike<number>) => column[i] as number;
      requests.push({
        arrivalMs: phase * phaseMs + of(drawn.arrivalMs),
        images: of(drawn.images),
        patches: of(drawn.patches),
        promptTokens: of(drawn.promptTokens),
        cachedTokens: 0,
        outputTokens: of(drawn.outputTokens),
      });
    }
    kind = (kind + 1 + prng.nextBelow(kinds.length - 1)) % kinds.length;
  }
  return { trace: traceOf(requests), phaseSplits, trueSplits };
}

/** All splits of a small fleet; of a large one those between what the phases would like. */
function staticCandidates(groups: number, phaseSplits: readonly Split[]): Split[] {
  if (groups <= 12) return [...splitsOf(groups, { variants: false })];
  const mean = (stage: (typeof stageNames)[number]) =>
    phaseSplits.reduce((sum, split) => sum + split[stage], 0) / phaseSplits.length;
  const step = Math.max(1, groups >> 4);
  const found = new Map<string, Split>();
  for (let e = -3; e <= 3; e++) {
    for (let p = -3; p <= 3; p++) {
      const encode = Math.max(1, Math.round(mean('encode')) + e * step);
      const prefill = Math.max(1, Math.round(mean('prefill')) + p * step);
      const decode = groups - encode - prefill;
      if (decode >= 1) found.set(`${encode} ${prefill}`, disaggregated(encode, prefill, decode));
    }
  }
  return [...found.values()];
}

function clairvoyant({ phaseMs }: Scenario, phaseSplits: readonly Split[]): Policy {
  return {
    name: 'oracle',
    tick: (plant) => {
      const target = phaseSplits[Math.min(phaseSplits.length - 1, Math.floor(plant.nowMs / phaseMs))] as Split;
      for (let tries = 0; tries < 1000; tries++) {
        const counts = plant.counts();
        const from = stageNames.find((stage) => counts[stage] > target[stage]);
        const to = stageNames.find((stage) => counts[stage] < target[stage]);
        if (from === undefined || to === undefined || !plant.move(from, to)) return;
      }
    },
  };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
