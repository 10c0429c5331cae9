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

/** What the controller has to remember over a crash. Written before anything is asked of a pod. */
export interface Ledger {
  readonly assignments: readonly Assignment[];
  readonly moves: readonly BegunMove[];
  /** Moves that were begun, over or not, the newest last; a bounded number of them. */
  readonly past: readonly (Move & { readonly begunMs: number })[];
  /** The newest last; a bounded number of them. */
  readonly decisions: readonly Decision[];
}

export const emptyLedger: Ledger = { assignments: [], moves: [], past: [], decisions: [] };

/** Decisions and moves that are remembered. */
export const decisionsMax = 100;
export const pastMax = 500;

export function withAssignment(ledger: Ledger, assignment: Assignment): Ledger {
  const others = ledger.assignments.filter(({ podId }) => podId !== assignment.podId);
  return { ...ledger, assignments: [...others, assignment] };
}

/** The moves are begun, and remembered as such. */
export function withMoves(ledger: Ledger, moves: readonly BegunMove[]): Ledger {
  const past = moves.map(({ from, to, begunMs }) => ({ from, to, begunMs }));
  return { ...ledger, moves: [...ledger.moves, ...moves], past: [...ledger.past, ...past].slice(-pastMax) };
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
