import type { Move, Split, StageName } from '@tercet/allocation';

/** What a pod shall be: given back to it when it returns without a role. */
export interface Assignment {
  readonly podId: string;
  readonly role: StageName;
  /** The highest epoch in which it was seen; the one that it takes next is higher. */
  readonly epoch: bigint;
}

/** A move that was begun and has not been seen to be over. */
export interface BegunMove extends Move {
  readonly podId: string;
  /** Epoch of the pod when it was asked to move. */
  readonly fromEpoch: bigint;
  readonly begunMs: number;
  readonly reason: MoveReason;
  /** Of which decision it is a part, or takes one back; 0 of none. */
  readonly decision: number;
  /** How far it is, where the pod cannot change its stage in place and another process takes its place. */
  readonly replacement?: Replacement;
}

/**
 * A pod that returns as a new process in its new role. `surging`: a pod more is started that stands in for it in that
 * role. `replacing`: it drains, goes and returns. `retiring`: the stand-in goes.
 */
export interface Replacement {
  readonly phase: 'surging' | 'replacing' | 'retiring';
  /** `undefined` where there was no room for one. */
  readonly standInId?: string;
}

/** `better` as a decision says, `take back` of one, `repair` of a stage with too few pods, `asked` by a person. */
export type MoveReason = 'better' | 'take back' | 'repair' | 'asked';

/** Why groups were moved, and what came of it. */
export interface Decision {
  readonly id: number;
  readonly begunMs: number;
  readonly before: Split;
  readonly target: Split;
  /** Share of requests that were expected to meet the objectives: without the moves, and with them. */
  readonly expected: { readonly current: number; readonly target: number };
  /** Share that met them in the window before, and what the simulator said of that window. */
  readonly baseline: { readonly realised: number; readonly simulated: number };
  /** When the last of its moves was seen to be over. */
  readonly doneMs?: number;
  readonly verdict?: Verdict;
}

export type Verdict =
  | { readonly kind: 'kept'; readonly realised: number; readonly counterfactual: number }
  | { readonly kind: 'taken back'; readonly realised: number; readonly counterfactual: number }
  | { readonly kind: 'replaced' };

/** A pool that has no pods, or asked for them and does not serve every stage yet. */
export interface Sleep {
  readonly state: 'asleep' | 'waking';
  readonly sinceMs: number;
  /** When the last request before it was gone. */
  readonly idleSinceMs: number;
  /** No pod was left when it was woken, so that the time until it serves is the time of a wake. */
  readonly wasEmpty: boolean;
}

/** What the controller has to remember over a crash. Written before anything is asked of a pod. */
export interface Ledger {
  readonly assignments: readonly Assignment[];
  readonly moves: readonly BegunMove[];
  /** Moves that were begun, over or not, the newest last; a bounded number of them. */
  readonly past: readonly (Move & { readonly begunMs: number })[];
  /** The newest last; a bounded number of them. */
  readonly decisions: readonly Decision[];
  /** Absent while the pool has its pods. */
  readonly sleep?: Sleep;
  /** Pauses between requests that were long enough to sleep, the newest last; a bounded number of them. */
  readonly pausesMs: readonly number[];
  /** What it took from the wish for pods until they served, the newest last; a bounded number of them. */
  readonly wakesMs: readonly number[];
}

export const emptyLedger: Ledger = {
  assignments: [],
  moves: [],
  past: [],
  decisions: [],
  pausesMs: [],
  wakesMs: [],
};

/** Decisions and moves that are remembered. */
export const decisionsMax = 100;
export const pastMax = 500;
const pausesMax = 64;
const wakesMax = 16;

export function withAssignment(ledger: Ledger, assignment: Assignment): Ledger {
  const others = ledger.assignments.filter(({ podId }) => podId !== assignment.podId);
  return { ...ledger, assignments: [...others, assignment] };
}

/** The moves are begun, and remembered as such. */
export function withMoves(ledger: Ledger, moves: readonly BegunMove[]): Ledger {
  const past = moves.map(({ from, to, begunMs }) => ({ from, to, begunMs }));
  return { ...ledger, moves: [...ledger.moves, ...moves], past: [...ledger.past, ...past].slice(-pastMax) };
}

/** In place of the move of the same pod. */
export function withMove(ledger: Ledger, move: BegunMove): Ledger {
  return { ...ledger, moves: ledger.moves.map((known) => (known.podId === move.podId ? move : known)) };
}

export function withoutMove(ledger: Ledger, podId: string): Ledger {
  return { ...ledger, moves: ledger.moves.filter((move) => move.podId !== podId) };
}

/** A decision that was not judged yet is not judged any more: the split is another one now. */
export function withLastReplaced(ledger: Ledger): Ledger {
  const last = ledger.decisions.at(-1);
  if (last === undefined || last.verdict !== undefined) return ledger;
  return withDecision(ledger, { ...last, verdict: { kind: 'replaced' } });
}

export function withDecision(ledger: Ledger, decision: Decision): Ledger {
  const others = ledger.decisions.filter(({ id }) => id !== decision.id);
  return { ...ledger, decisions: [...others, decision].slice(-decisionsMax) };
}

export function withSleep(ledger: Ledger, sleep: Sleep): Ledger {
  return { ...ledger, sleep };
}

export function withoutSleep(ledger: Ledger): Ledger {
  if (ledger.sleep === undefined) return ledger;
  const { sleep: _, ...awake } = ledger;
  return awake;
}

/** A pause between requests that was long enough to sleep. */
export function withPause(ledger: Ledger, pauseMs: number): Ledger {
  return { ...ledger, pausesMs: [...ledger.pausesMs, pauseMs].slice(-pausesMax) };
}

/** A time from the wish for pods until they served. */
export function withWake(ledger: Ledger, wakeMs: number): Ledger {
  return { ...ledger, wakesMs: [...ledger.wakesMs, wakeMs].slice(-wakesMax) };
}
