import type { BegunMove, Ledger } from './ledger.js';
import { withAssignment, withDecision, withMove, withoutMove, withWake } from './ledger.js';
import type { PodState } from './pool.js';
import { replaced, type SurgeRoom } from './replacement.js';

/** What was learnt of the moves and pods since the last pass. */
export type Finding =
  | { readonly kind: 'moved' | 'undone' | 'lost'; readonly move: BegunMove }
  | { readonly kind: 'known' | 'assigned' | 'changed by others' | Lie; readonly podId: string };

/** What a pod cannot truly say: calls of its role that it refuses, and an epoch below one in which it was seen. */
export type Lie = 'refuses its role' | 'epoch went back';

interface SettleTime {
  readonly nowMs: number;
  readonly performing: ReadonlySet<string>;
  /** Where pods are replaced; absent where none can be. */
  readonly room?: SurgeRoom | undefined;
}

/**
 * Compares what was begun with what the pods say. A move is over when its pod serves the new role in a later epoch. One
 * whose pod still serves the old role in the old epoch never reached it (the controller ended before it asked): it is
 * undone by forgetting it. A pod that is gone keeps its new assignment, for when it returns.
 * @param performing pods that this controller is asking right now: of them nothing is concluded
 */
export function settle(
  ledger: Ledger,
  pods: readonly PodState[],
  { nowMs, performing, room }: SettleTime,
): { readonly ledger: Ledger; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  let settled = ledger;
  for (const move of ledger.moves) {
    if (performing.has(move.podId)) continue;
    const outcome =
      move.replacement === undefined ? outcomeOf(move, pods) : replaced(move, { ledger, pods, nowMs, room });
    if (outcome === 'under way') continue;
    if (typeof outcome === 'object') {
      settled = withMove(settled, outcome);
      if (standInServes(move, outcome)) settled = withWake(settled, nowMs - move.begunMs);
      continue;
    }
    findings.push({ kind: outcome, move });
    settled = withoutMove(settled, move.podId);
    if (outcome === 'undone') continue;
    const epoch = pods.find(({ podId }) => podId === move.podId)?.epoch ?? 0n;
    const highest = epoch > move.fromEpoch ? epoch : move.fromEpoch;
    settled = withAssignment(settled, { podId: move.podId, role: move.to, epoch: highest });
  }
  const decision = settled.decisions.at(-1);
  if (decision !== undefined && decision.doneMs === undefined && settled.moves.length === 0) {
    settled = withDecision(settled, { ...decision, doneMs: nowMs });
  }
  return knowPods(settled, pods, findings);
}

/** What its load took is known now. */
function standInServes({ replacement: before }: BegunMove, { replacement: now }: BegunMove): boolean {
  return before?.phase === 'surging' && now?.phase === 'replacing' && now.standInId !== undefined;
}

function outcomeOf(move: BegunMove, pods: readonly PodState[]): 'moved' | 'undone' | 'lost' | 'under way' {
  const pod = pods.find(({ podId }) => podId === move.podId);
  if (pod === undefined || pod.phase === 'stopping') return 'lost';
  if (pod.phase !== 'ready') return pod.phase === 'unassigned' ? 'lost' : 'under way';
  if (pod.role === move.to && pod.epoch > move.fromEpoch) return 'moved';
  return pod.role === move.from && pod.epoch === move.fromEpoch ? 'undone' : 'lost';
}

/** Pods that nobody recorded are taken as they are, and so are roles that somebody else changed in a later epoch. */
function knowPods(before: Ledger, pods: readonly PodState[], findings: Finding[]) {
  let ledger = before;
  for (const { podId, role, epoch, phase } of pods) {
    if (role === undefined || phase !== 'ready' || ledger.moves.some((move) => move.podId === podId)) continue;
    const known = ledger.assignments.find((assignment) => assignment.podId === podId);
    if (known?.role === role && known.epoch === epoch) continue;
    if (known !== undefined && epoch < known.epoch) findings.push({ kind: 'epoch went back', podId });
    if (known !== undefined && epoch <= known.epoch) continue;
    const kind = known === undefined ? 'known' : known.role === role ? 'assigned' : 'changed by others';
    findings.push({ kind, podId });
    ledger = withAssignment(ledger, { podId, role, epoch });
  }
  return { ledger, findings };
}
