import {
  attainmentAt,
  disaggregated,
  type FleetShape,
  Forecast,
  grown,
  nameOf,
  type PerStage,
  propose,
  rateOf,
  type Slo,
  type Split,
  type StageName,
  scaled,
  splitsOf,
  stageNames,
  type Trace,
} from '@tercet/allocation';
import { OnlineFit, type StageCosts } from '@tercet/cost-model';
import type { Plant } from './plant.js';

/** Looks at the plant every `tickMs` and may move groups. */
export interface Policy {
  readonly name: string;
  tick(plant: Plant): void;
  /** Told of every batch, tile and step. */
  onWork?(stage: StageName, features: readonly number[], ms: number): void;
}

export const tickMs = 5000;

export function staticSplit(split: Split): Policy {
  return { name: `static ${nameOf(split)}`, tick: () => undefined };
}

/**
 * EPDServe's rule as its published code has it: to the stage with the longest queue, unless every queue is at least
 * half of that, from the stage with the most groups among those with a shorter queue and more than one. The queue
 * counts who waits, or who waits and runs: both are tried, and the better one is compared with.
 */
export function queueRule(counts: 'waiting' | 'unfinished'): Policy {
  return {
    name: `queue rule (${counts})`,
    tick: (plant) => {
      const queues = plant.queues();
      const lengthOf = (stage: StageName) =>
        queues[stage].waiting + (counts === 'unfinished' ? queues[stage].running : 0);
      const groups = plant.counts();
      const to = stageNames.reduce((a, b) => (lengthOf(b) > lengthOf(a) ? b : a));
      if (stageNames.every((stage) => lengthOf(stage) >= lengthOf(to) / 2)) return;
      const givers = stageNames.filter((stage) => {
        return stage !== to && lengthOf(stage) < lengthOf(to) && groups[stage] > 1;
      });
      if (givers.length === 0) return;
      plant.move(
        givers.reduce((a, b) => (groups[b] > groups[a] ? b : a)),
        to,
      );
    },
  };
}

export interface PlannerOptions {
  readonly name: string;
  readonly trace: Trace;
  /** What the planner believes to begin with. */
  readonly shape: FleetShape;
  readonly slo: Slo;
  readonly switchMs: number;
  /** Stages whose number of groups it does not change. */
  readonly fixed?: readonly StageName[];
}

const windowMs = 15_000;
/** A window is shorter where more requests came: a decision should take less than a second. */
const windowRequestsMax = (groups: number) => 400 + 20 * groups;
/** Times that the window is replayed, one after the other: a long answer lasts longer than the window. */
const copies = 5;
const horizonMs = 60_000;
export const dwellMs = 20_000;

/** Ours: fits the costs to what it is told, forecasts the rate, replays the last requests and moves what pays. */
export class Planner implements Policy {
  readonly name: string;
  readonly #options: PlannerOptions;
  readonly #forecast = new Forecast();
  readonly #fits = {
    encode: new OnlineFit({ features: 2, memory: 500 }),
    prefill: new OnlineFit({ features: 3, memory: 500 }),
    decode: new OnlineFit({ features: 3, memory: 3000 }),
  };
  #pending: Split | undefined;
  #counted = 0;

  constructor(options: PlannerOptions) {
    this.#options = options;
    this.name = options.name;
  }

  onWork(stage: StageName, features: readonly number[], ms: number): void {
    this.#fits[stage].add(features, ms);
  }

  tick(plant: Plant): void {
    this.#forecast.add(((plant.arrived - this.#counted) / tickMs) * 1000);
    this.#counted = plant.arrived;
    const window = recent(this.#options.trace, plant);
    if (window.length < 20) return;
    const trace = withBacklog(grown(window, copies), plant);
    const { encode, prefill, decode } = plant.counts();
    const current = disaggregated(encode, prefill, decode);
    const groups = encode + prefill + decode;
    const bound = (one: number, value: number): PerStage<number> => {
      const of = (stage: StageName) => (this.#options.fixed?.includes(stage) ? current[stage] : value * one);
      return { encode: of('encode'), prefill: of('prefill'), decode: of('decode') };
    };
    const { switchMs, slo } = this.#options;
    const proposal = propose({
      current,
      work: { trace, shape: this.#shape(), slo },
      factor: Math.min(1.3, Math.max(0.8, this.#forecast.next() / rateOf(window))) / copies,
      horizonMs,
      switchMs: { encode: switchMs + 500, prefill: switchMs + 1000, decode: switchMs + 5000 },
      limits: {
        least: bound(1, 1),
        most: bound(1, groups),
        unavailableMax: Math.max(2, groups >> 2),
        dwellMs,
        gainMin: 0.02,
        urgentGain: 0.05,
      },
      pending: this.#pending,
      moving: plant.moving,
      recent: plant.moves.slice(-groups).map((move) => ({ ...move, agoMs: plant.nowMs - move.atMs })),
    });
    this.#pending = proposal.kind === 'stay' ? undefined : proposal.target;
    for (const { from, to } of proposal.moves) plant.move(from, to);
  }

  /** The costs as they are fitted, where enough was seen to be sure of them. */
  #shape(): FleetShape {
    const { shape } = this.#options;
    const [encode, prefill, decode] = stageNames.map((stage) => {
      const fitted = this.#fits[stage].solve();
      return fitted !== undefined && fitted.weight > 30 ? fitted.coefficients : undefined;
    });
    const costs: StageCosts = {
      ...shape.costs,
      ...(encode === undefined ? {} : { encode: { fixedMs: encode[0] as number, perPatchMs: encode[1] as number } }),
      ...(prefill === undefined
        ? {}
        : {
            prefill: {
              fixedMs: prefill[0] as number,
              perTokenMs: prefill[1] as number,
              perTokenSquaredMs: prefill[2] as number,
            },
          }),
      ...(decode === undefined ? {} : { decode: decodeOf(decode) }),
    };
    return { ...shape, costs };
  }
}

function decodeOf([fixedMs = 0, perContextTokenMs = 0, perSequenceMs = 0]: readonly number[]): StageCosts['decode'] {
  const cost = { fixedMs, perContextTokenMs, perSequenceMs };
  return { small: cost, large: cost, smallBatchMax: 0 };
}

/** The requests of the last window, their arrivals from its start. */
function recent(trace: Trace, plant: Plant): Trace {
  const to = plant.arrived;
  let from = to;
  while (from > 0 && to - from < windowRequestsMax(plant.groups)) {
    if ((trace.arrivalMs[from - 1] as number) < plant.nowMs - windowMs) break;
    from--;
  }
  return part(trace, from, to);
}

/** Who waits already comes at once, and makes the rest wait: as many requests of the window stand for them. */
function withBacklog(trace: Trace, plant: Plant): Trace {
  const { encode, prefill } = plant.queues();
  const waiting = Math.min(trace.length, encode.waiting + prefill.waiting);
  const first = part(trace, trace.length - waiting, trace.length);
  const join = (column: 'images' | 'patches' | 'promptTokens' | 'cachedTokens' | 'outputTokens') =>
    Uint32Array.of(...first[column], ...trace[column]);
  return {
    length: waiting + trace.length,
    arrivalMs: Float64Array.of(...new Float64Array(waiting), ...trace.arrivalMs),
    images: join('images'),
    patches: join('patches'),
    promptTokens: join('promptTokens'),
    cachedTokens: join('cachedTokens'),
    outputTokens: join('outputTokens'),
  };
}

export function part(trace: Trace, from: number, to: number): Trace {
  const start = trace.arrivalMs[from] ?? 0;
  return {
    length: to - from,
    arrivalMs: trace.arrivalMs.slice(from, to).map((ms) => ms - start),
    images: trace.images.slice(from, to),
    patches: trace.patches.slice(from, to),
    promptTokens: trace.promptTokens.slice(from, to),
    cachedTokens: trace.cachedTokens.slice(from, to),
    outputTokens: trace.outputTokens.slice(from, to),
  };
}

/** The splits by the share of a trace that would meet the objectives, the best first. */
export function rankedSplits(trace: Trace, groups: number, { shape, slo }: Pick<PlannerOptions, 'shape' | 'slo'>) {
  const work = { trace: scaled(trace, 1), shape, slo };
  return [...splitsOf(groups, { variants: false })]
    .map((split) => ({ split, attainment: attainmentAt(work, split, 1) }))
    .sort((a, b) => b.attainment - a.attainment);
}
