import { stageNames } from '@tercet/allocation';
import { type BegunMove, type Ledger, type Replacement, withAssignment } from './ledger.js';
import { type Direction, isInPlace, type PodState, type PoolSpec } from './pool.js';

/** Where a pool can have a pod more for a while. */
export interface SurgeRoom {
  /** The pod that is there with one more. */
  readonly standInId: string;
  /** Why that one cannot be there, in the cluster's words. */
  readonly refusal: string | undefined;
  /** Pods that may be away at a time. */
  readonly unavailableMax: number;
}

/** A stand-in that does not serve by then is taken for one that has no room. */
export const surgeMsMax = 600_000;
/** A pod that has not returned by then is not waited for: whenever it does, it takes its new role. */
export const replaceMsMax = 1_800_000;

/**
 * How far a replacement came: the move in its next phase, or how it ended. A stand-in is waited for before the old pod
 * goes, so that no stage has fewer pods meanwhile; where there is no room for one, the old pod goes at once if one may
 * be away, and otherwise everything stays as it was. Each step is seen from the pods, so that whoever leads next goes
 * on with it.
 */
export function replaced(
  move: BegunMove,
  { ledger, pods, nowMs, room }: Situation,
): BegunMove | 'moved' | 'undone' | 'lost' | 'under way' {
  const { phase, standInId } = move.replacement ?? { phase: 'replacing' };
  // Another number of pods, and the stand-in is one of them, or goes anyway.
  const isResized = standInId !== undefined && room !== undefined && room.standInId !== standInId;
  const isThere = pods.some(({ podId }) => podId === standInId);
  const hasReturned = serves(pods, move.podId, move) && epochOf(pods, move.podId) > move.fromEpoch;
  if (hasReturned && (standInId === undefined || isResized || (phase === 'retiring' && !isThere))) return 'moved';
  if (nowMs - move.begunMs > replaceMsMax) return 'lost';
  if (hasReturned && phase !== 'retiring') return inPhase(move, { phase: 'retiring', standInId });
  if (phase !== 'surging') return 'under way';
  if (isResized) return 'undone';
  if (serves(pods, standInId, move)) return inPhase(move, { phase: 'replacing', standInId });
  const isRefused = room?.refusal !== undefined && !isThere;
  if (!isRefused && nowMs - move.begunMs <= surgeMsMax) return 'under way';
  const away = ledger.moves.filter(({ podId }) => podId !== move.podId).length;
  return away < (room?.unavailableMax ?? 0) ? inPhase(move, { phase: 'replacing' }) : 'undone';
}

/** How a replacement begins. */
export function surge(moves: readonly BegunMove[], room: SurgeRoom | undefined): Replacement | 'no room' {
  if (room === undefined || moves.some(({ replacement }) => replacement !== undefined)) return 'no room';
  return { phase: 'surging', standInId: room.standInId };
}

/** A pod that stands in takes the role that the one shall have for which it does. */
export function withStandIns(ledger: Ledger): Ledger {
  return ledger.moves.reduce((known, { to, replacement }) => {
    if (replacement?.phase !== 'surging' || replacement.standInId === undefined) return known;
    const podId = replacement.standInId;
    const epoch = known.assignments.find((assignment) => assignment.podId === podId)?.epoch ?? 0n;
    return withAssignment(known, { podId, role: to, epoch });
  }, ledger);
}

/** Pods whose time has come: they drain, go, and return without a role. */
export function toTakeDown({ moves }: Ledger, pods: readonly PodState[]): string[] {
  return moves.flatMap(({ podId, to, replacement }) => {
    const old = pods.find((pod) => pod.podId === podId);
    const isDue = replacement?.phase === 'replacing' && old?.phase === 'ready' && old.role !== to;
    return isDue ? [podId] : [];
  });
}

/** Whether the pool has a pod more now: from before the old one goes until it has returned. */
export function needsStandIn({ moves }: Pick<Ledger, 'moves'>): boolean {
  return moves.some(({ replacement }) => replacement?.standInId !== undefined && replacement.phase !== 'retiring');
}

/** What moves cost that are not made in place: the load of the stand-in, and of the pod that returns. */
export function replacementPrices(spec: PoolSpec, loadMs: number): Partial<Record<Direction, number>> {
  const directions = stageNames.flatMap((from) => stageNames.map((to) => ({ from, to })));
  const replaced = directions.filter((move) => move.from !== move.to && !isInPlace(spec, move));
  return Object.fromEntries(replaced.map(({ from, to }) => [`${from}-${to}`, 2 * loadMs]));
}

interface Situation {
  readonly ledger: Ledger;
  readonly pods: readonly PodState[];
  readonly nowMs: number;
  readonly room: SurgeRoom | undefined;
}

function epochOf(pods: readonly PodState[], id: string): bigint {
  return pods.find(({ podId }) => podId === id)?.epoch ?? 0n;
}

function serves(pods: readonly PodState[], id: string | undefined, { to }: BegunMove): boolean {
  return pods.some(({ podId, role, phase }) => podId === id && role === to && phase === 'ready');
}

function inPhase(
  move: BegunMove,
  { phase, standInId }: Pick<Replacement, 'phase'> & { standInId?: string | undefined },
) {
  return { ...move, replacement: { phase, ...(standInId === undefined ? {} : { standInId }) } };
}
