import { disaggregated, type Move, type PerStage, type Slo, type Split, type StageName } from '@tercet/allocation';
import type { Ledger } from './ledger.js';

/** What a pod says of itself. */
export interface PodState {
  readonly podId: string;
  readonly role: StageName | undefined;
  readonly epoch: bigint;
  readonly phase: 'unassigned' | 'mounting' | 'ready' | 'draining' | 'stopping';
  /** Requests that run there, and ones that wait. */
  readonly running: number;
  readonly waiting: number;
  /** It refuses the calls of the role and epoch that it claims: what it says counts for nothing. */
  readonly refusesCalls?: boolean;
}

/** What a pool of pods with the same model shall achieve, and within what limits. */
export interface PoolSpec {
  /** `auto` moves pods, `recommend` only says what it would move, `manual` only keeps the recorded roles. */
  readonly policy: 'auto' | 'recommend' | 'manual';
  readonly slo: Slo;
  readonly least: PerStage<number>;
  readonly most: PerStage<number>;
  readonly unavailableMax: number;
  readonly dwellMs: number;
  readonly gainMin: number;
  readonly urgentGain: number;
  readonly drainTimeoutMs: number;
  /** How long what was moved is watched before it is judged. */
  readonly verifyMs: number;
  /** A move is taken back when so much less of the requests meet the objectives than would have without it. */
  readonly lossMax: number;
  /** Moves that a pod makes in place, with its weights loaded; for every other one it is replaced. Absent: all. */
  readonly inPlace?: readonly Direction[] | undefined;
  /** Without requests for `afterMs` the pool has no pods, where it stays without for `payback` times a wake. */
  readonly sleep?: { readonly afterMs: number; readonly payback: number } | undefined;
}

/** From which stage to which. */
export type Direction = `${StageName}-${StageName}`;

export function isInPlace({ inPlace }: Pick<PoolSpec, 'inPlace'>, { from, to }: Move): boolean {
  return inPlace === undefined || inPlace.includes(`${from}-${to}`);
}

/**
 * The pods by the stage that they shall serve: one that moves counts where it goes, one that has no role yet and one
 * that stands in for another not.
 */
export function splitOf(ledger: Ledger, pods: readonly Pick<PodState, 'podId' | 'role'>[]): Split {
  const counts = { encode: 0, prefill: 0, decode: 0 };
  for (const pod of membersOf(ledger, pods)) {
    const move = ledger.moves.find(({ podId }) => podId === pod.podId);
    const role = move?.to ?? ledger.assignments.find(({ podId }) => podId === pod.podId)?.role ?? pod.role;
    if (role !== undefined) counts[role]++;
  }
  return disaggregated(counts.encode, counts.prefill, counts.decode);
}

/** The pods without those that stand in for one that is replaced. */
export function membersOf<Pod extends Pick<PodState, 'podId'>>(ledger: Ledger, pods: readonly Pod[]): Pod[] {
  return pods.filter(({ podId }) => !ledger.moves.some(({ replacement }) => replacement?.standInId === podId));
}
