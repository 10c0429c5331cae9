import { nameOf } from '@tercet/allocation';
import type { Pass, SleepChange } from '@tercet/controller-core';
import type { PoolEvent } from '@tercet/kubernetes';

/** What a pass is told of beside the status: what began, what was learnt, what was judged. */
export function eventsOf(pass: Pass): PoolEvent[] {
  return [...begun(pass), ...learnt(pass), ...judged(pass)];
}

/** That a pool has its pods no more, or again. */
export function sleepEvent(change: SleepChange): PoolEvent {
  switch (change) {
    case 'fell asleep':
      return { type: 'Normal', reason: 'FellAsleep', message: 'no request for long enough: the pods go' };
    case 'kept up':
      return { type: 'Normal', reason: 'KeptUp', message: 'requests are expected sooner than a wake pays' };
    case 'waking':
      return { type: 'Normal', reason: 'Waking', message: 'a request waits: pods start' };
    case 'awake':
      return { type: 'Normal', reason: 'Awake', message: 'every stage is served again' };
    default:
      return change satisfies never;
  }
}

function begun({ kind, asks, proposal }: Pass): PoolEvent[] {
  const moves = asks.map(({ podId, role }) => `${podId} to ${role}`).join(', ') || 'a pod is replaced';
  switch (kind) {
    case 'assign':
      return [{ type: 'Normal', reason: 'RolesGiven', message: moves }];
    case 'repair':
      return [{ type: 'Warning', reason: 'StageShort', message: `a stage has fewer pods than it must: ${moves}` }];
    case 'take back':
      return [{ type: 'Warning', reason: 'MovesTakenBack', message: moves }];
    case 'move': {
      const why = proposal === undefined ? '' : ` for ${nameOf(proposal.target)}: ${proposal.reason}`;
      return [{ type: 'Normal', reason: 'PodsMove', message: `${moves}${why}` }];
    }
    case 'recommend':
    case 'rest':
      return [];
    default:
      return kind satisfies never;
  }
}

function learnt({ findings }: Pass): PoolEvent[] {
  return findings.flatMap((finding): PoolEvent[] => {
    switch (finding.kind) {
      case 'moved':
        return [{ type: 'Normal', reason: 'PodMoved', message: `${finding.move.podId} serves ${finding.move.to}` }];
      case 'undone':
        return [
          { type: 'Normal', reason: 'MoveUndone', message: `${finding.move.podId} never left ${finding.move.from}` },
        ];
      case 'lost':
        return [{ type: 'Warning', reason: 'MoveLost', message: `${finding.move.podId} is gone or has another role` }];
      case 'changed by others':
        return [{ type: 'Warning', reason: 'RoleChangedByOthers', message: finding.podId }];
      case 'refuses its role':
        return [{ type: 'Warning', reason: 'PodRefusesItsRole', message: finding.podId }];
      default:
        return [];
    }
  });
}

function judged({ judged: decision }: Pass): PoolEvent[] {
  const verdict = decision?.verdict;
  if (decision === undefined || verdict === undefined || verdict.kind === 'replaced') return [];
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const message =
    `decision ${decision.id}: ${percent(verdict.realised)} of the requests met the objectives, ` +
    `${percent(verdict.counterfactual)} would have without it`;
  return [{ type: 'Normal', reason: verdict.kind === 'kept' ? 'DecisionKept' : 'DecisionTakenBack', message }];
}
