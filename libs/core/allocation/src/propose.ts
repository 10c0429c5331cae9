import { assert } from '@tercet/base';
import { goodputBound } from './bound.js';
import { disaggregated, groupsOf, nameOf, type Split, splitsOf } from './fleet.js';
import { attainmentAt, type Workload } from './goodput.js';

export const stageNames = ['encode', 'prefill', 'decode'] as const;
export type StageName = (typeof stageNames)[number];
export type PerStage<T> = Readonly<Record<StageName, T>>;

/** A group that leaves one stage for another. */
export interface Move {
  readonly from: StageName;
  readonly to: StageName;
}

export interface ProposeLimits {
  readonly least: PerStage<number>;
  readonly most: PerStage<number>;
  /** Groups of one stage that may be away at a time. */
  readonly unavailableMax: number;
  /** After a move, only what goes on in its direction moves for so long, and nothing back. */
  readonly dwellMs: number;
  /** A move must promise to meet the objectives for so much more of the requests. */
  readonly gainMin: number;
  /** A move that promises so much does not wait to be proposed twice. */
  readonly urgentGain: number;
}

export interface ProposeInput {
  readonly current: Split;
  /** Recent requests, and the objectives. */
  readonly work: Workload;
  /** What is expected of the time to come, relative to the trace's rate. */
  readonly factor: number;
  /** For how long what is decided now should pay. */
  readonly horizonMs: number;
  /** Until a group that leaves a stage serves the other: its drain, the switch, and what its lost caches cost. */
  readonly switchMs: PerStage<number>;
  /** Beyond that, for moves that a group does not make in place: until another one is loaded in its place. */
  readonly replaceMs?: Readonly<Partial<Record<`${StageName}-${StageName}`, number>>>;
  readonly limits: ProposeLimits;
  /** What was proposed the last time. */
  readonly pending: Split | undefined;
  /** Groups that are on their way already; `current` counts them where they go. */
  readonly moving: readonly Move[];
  /** Moves that were begun lately: how long ago, at least for the dwell. */
  readonly recent: readonly (Move & { readonly agoMs: number })[];
}

export interface Proposal {
  /** `move` now; `wait` to see whether it is proposed again; `stay`. */
  readonly kind: 'move' | 'wait' | 'stay';
  readonly target: Split;
  /** The first batch on the way to the target, none unless `move`. */
  readonly moves: readonly Move[];
  readonly reason: 'better' | 'once' | 'dwell' | 'others move' | 'small gain' | 'best already';
  /** Share of requests expected to meet the objectives over the horizon: as it is, and on the way to the target. */
  readonly expected: { readonly current: number; readonly target: number };
}

/** Loads, relative to the expected one, for which a split should do: being right about the rate is not certain. */
const loads = [1, 1.15, 1.3];

/**
 * Whether to move groups between the stages. A split is worth the share of requests that would meet the objectives over
 * the horizon, at the expected rate and somewhat above it, less what is lost while groups are away. A move needs a gain
 * above `gainMin`, proposed twice in a row unless it is urgent, and peace since the last one; what goes on towards the
 * same target needs no peace.
 */
export function propose(input: ProposeInput): Proposal {
  const { current, limits, pending, recent } = input;
  assert(current.serve === 0, 'only three-way splits move', { split: nameOf(current) });
  const settled = worthOf(input, current);
  let best = { split: current, worth: settled };
  for (const split of candidates(input)) {
    if (nameOf(split) === nameOf(current)) continue;
    const worth = worthOnTheWay(input, split, settled);
    if (worth > best.worth + 1e-9) best = { split, worth };
  }
  const expected = { current: settled, target: best.worth };
  const stay = (kind: 'wait' | 'stay', reason: Proposal['reason']): Proposal => {
    return { kind, target: best.split, moves: [], reason, expected };
  };
  if (best.split === current) return stay('stay', 'best already');
  if (best.worth - settled < limits.gainMin) return stay('stay', 'small gain');
  const goesOn = pending !== undefined && isOnTheWay(current, best.split, pending);
  if (!goesOn && recent.some(({ agoMs }) => agoMs < limits.dwellMs)) return stay('wait', 'dwell');
  if (!goesOn && best.worth - settled < limits.urgentGain) return stay('wait', 'once');
  const moves = firstBatch(input, best.split);
  if (moves.length === 0) return stay('wait', 'others move');
  return { kind: 'move', target: best.split, moves, reason: 'better', expected };
}

/** As many moves towards the target as may be away at a time, of groups that are there; none back within the dwell. */
function firstBatch({ current, limits, moving, recent }: ProposeInput, target: Split): Move[] {
  const isBack = ({ from, to }: Move) =>
    recent.some((move) => move.from === to && move.to === from && move.agoMs < limits.dwellMs);
  const comingTo = (stage: StageName) => moving.filter(({ to }) => to === stage).length;
  const there = Object.fromEntries(stageNames.map((stage) => [stage, current[stage] - comingTo(stage) - 1]));
  const isThere = ({ from }: Move) => {
    there[from] = (there[from] as number) - 1;
    return (there[from] as number) >= 0;
  };
  const room = Math.max(0, limits.unavailableMax - moving.length);
  return movesBetween(current, target)
    .filter((move) => !isBack(move) && isThere(move))
    .slice(0, room);
}

/** Moves that turn one split into the other, each stage giving before it takes. */
export function movesBetween(from: Split, to: Split): Move[] {
  const give = stageNames.flatMap((stage) => Array<StageName>(Math.max(0, from[stage] - to[stage])).fill(stage));
  const take = stageNames.flatMap((stage) => Array<StageName>(Math.max(0, to[stage] - from[stage])).fill(stage));
  assert(give.length === take.length, 'splits of different size', { from: nameOf(from), to: nameOf(to) });
  return give.map((stage, i) => ({ from: stage, to: take[i] as StageName }));
}

export function afterMoves(split: Split, moves: readonly Move[]): Split {
  const counts = { encode: split.encode, prefill: split.prefill, decode: split.decode };
  for (const { from, to } of moves) {
    counts[from]--;
    counts[to]++;
  }
  return { ...counts, serve: split.serve };
}

/** All splits within the limits; of a large fleet those a few moves away, and around what the bound needs. */
function* candidates({ current, work, limits }: ProposeInput): Generator<Split> {
  const groups = groupsOf(current);
  const isAllowed = (split: Split) =>
    stageNames.every((stage) => split[stage] >= limits.least[stage] && split[stage] <= limits.most[stage]);
  if (groups <= 10) {
    for (const split of splitsOf(groups, { variants: false })) if (isAllowed(split)) yield split;
    return;
  }
  const needed = withinLimits(goodputBound(work, groups).split, groups, limits);
  yield needed;
  for (const split of neighboursOf(current, [1, 2, groups >> 4, groups >> 3, groups >> 2])) {
    if (isAllowed(split)) yield split;
  }
  for (const split of neighboursOf(needed, [1, groups >> 4])) if (isAllowed(split)) yield split;
}

function* neighboursOf(split: Split, steps: readonly number[]): Generator<Split> {
  for (const step of new Set(steps)) {
    for (const from of stageNames) {
      for (const to of stageNames) {
        if (from === to || step < 1 || split[from] <= step) continue;
        yield { ...split, [from]: split[from] - step, [to]: split[to] + step };
      }
    }
  }
}

/** As near to these proportions as the limits allow, with all groups in use. */
function withinLimits(split: Split, groups: number, { least, most }: ProposeLimits): Split {
  const counts = { encode: 0, prefill: 0, decode: 0 };
  for (const stage of stageNames) counts[stage] = Math.min(most[stage], Math.max(least[stage], split[stage]));
  const used = () => counts.encode + counts.prefill + counts.decode;
  // What is over or missing goes, one by one, to where it changes the proportions least.
  while (used() !== groups) {
    const sign = used() < groups ? 1 : -1;
    const open = stageNames.filter((stage) => (sign > 0 ? counts[stage] < most[stage] : counts[stage] > least[stage]));
    assert(open.length > 0, 'limits that no split keeps', { groups });
    const share = (stage: StageName) => (counts[stage] + sign) / split[stage];
    const stage = open.reduce((a, b) => (sign * (share(b) - share(a)) < 0 ? b : a));
    counts[stage] += sign;
  }
  return disaggregated(counts.encode, counts.prefill, counts.decode);
}

function worthOf({ work, factor }: ProposeInput, split: Split): number {
  return loads.reduce((sum, load) => sum + attainmentAt(work, split, factor * load), 0) / loads.length;
}

/** Over the horizon: first with the groups that move away, in as many batches as it takes, then with all of them. */
function worthOnTheWay(input: ProposeInput, target: Split, settled: number): number {
  const { current, switchMs, replaceMs = {}, horizonMs, limits } = input;
  const worth = worthOf(input, target);
  if (worth <= settled) return worth;
  const moves = movesBetween(current, target);
  const batch = moves.slice(0, limits.unavailableMax);
  const batchMs = Math.max(...batch.map(({ from, to }) => switchMs[from] + (replaceMs[`${from}-${to}`] ?? 0)));
  const awayMs = Math.min(horizonMs, batchMs * Math.ceil(moves.length / Math.max(1, batch.length)));
  const away = worthOf(input, without(current, batch));
  return (away * awayMs + worth * (horizonMs - awayMs)) / horizonMs;
}

/** The split while these groups are in neither stage; a stage keeps one, as a move that would empty it has to wait. */
function without(split: Split, moves: readonly Move[]): Split {
  const left = (stage: StageName) => Math.max(1, split[stage] - moves.filter(({ from }) => from === stage).length);
  return disaggregated(left('encode'), left('prefill'), left('decode'));
}

/** Both want groups to leave the same stage for the same other. */
function isOnTheWay(current: Split, target: Split, pending: Split): boolean {
  const key = ({ from, to }: Move) => `${from} ${to}`;
  const wanted = new Set(movesBetween(current, target).map(key));
  return (
    groupsOf(pending) === groupsOf(current) && movesBetween(current, pending).some((move) => wanted.has(key(move)))
  );
}
