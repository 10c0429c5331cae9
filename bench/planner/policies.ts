import {
  disaggregated,
  type FleetShape,
  nameOf,
  type PerStage,
  Planner,
  requestOf,
  type Slo,
  type Split,
  type StageName,
  stageNames,
  type Trace,
} from '@tercet/allocation';
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

export interface PlannedOptions {
  readonly name: string;
  readonly trace: Trace;
  /** What the planner believes to begin with. */
  readonly shape: FleetShape;
  readonly slo: Slo;
  readonly switchMs: number;
  /** Stages whose number of groups it does not change. */
  readonly fixed?: readonly StageName[];
}

export const dwellMs = 20_000;

/** Ours: the planner that the controller runs, told what workers and gateway would tell it. */
export function planned({ name, trace, shape, slo, switchMs, fixed = [] }: PlannedOptions): Policy {
  const planner = new Planner({ shape, slo });
  let told = 0;
  return {
    name,
    onWork: (stage, features, ms) => planner.addWork(stage, features, ms),
    tick: (plant) => {
      while (told < plant.arrived) planner.addRequest(requestOf(trace, told++));
      const { encode, prefill, decode } = plant.counts();
      const current = disaggregated(encode, prefill, decode);
      const { nowMs, groups } = plant;
      const queues = plant.queues();
      const bound = (value: number): PerStage<number> => {
        const of = (stage: StageName) => (fixed.includes(stage) ? current[stage] : value);
        return { encode: of('encode'), prefill: of('prefill'), decode: of('decode') };
      };
      const unavailableMax = Math.max(2, groups >> 2);
      const proposal = planner.propose({
        nowMs,
        waiting: queues.encode.waiting + queues.prefill.waiting,
        current,
        switchMs: { encode: switchMs + 500, prefill: switchMs + 1000, decode: switchMs + 5000 },
        limits: { least: bound(1), most: bound(groups), unavailableMax, dwellMs, gainMin: 0.02, urgentGain: 0.05 },
        moving: plant.moving,
        recent: plant.moves.slice(-groups).map((move) => ({ ...move, agoMs: nowMs - move.atMs })),
      });
      for (const { from, to } of proposal?.moves ?? []) plant.move(from, to);
    },
  };
}
