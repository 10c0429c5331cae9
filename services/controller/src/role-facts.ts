import type { wire } from '@tercet/contracts';
import type { Pass } from '@tercet/controller-core';
import { roleOf } from './stages.js';

/** Of a pod, as it stands when its change is told. */
type PodFacts = Pick<wire.WorkerStatus, 'podId' | 'role' | 'epoch' | 'drainMs' | 'switchMs'>;

/** The role changes that a pass saw to be over, for topic `roles`. */
export function roleChangesOf({ findings }: Pass, pods: readonly PodFacts[]): wire.RoleChange[] {
  return findings.flatMap((finding) => {
    switch (finding.kind) {
      case 'moved': {
        const { podId, from, to, reason, decision } = finding.move;
        return changeOf(pods, { podId, from: roleOf(from), to: roleOf(to), decision: BigInt(decision), reason });
      }
      case 'known':
      case 'assigned':
      case 'changed by others': {
        const { podId, kind } = finding;
        const role = pods.find((pod) => pod.podId === podId)?.role ?? roleOf(undefined);
        return changeOf(pods, { podId, from: roleOf(undefined), to: role, decision: 0n, reason: kind });
      }
      case 'undone':
      case 'lost':
      case 'refuses its role':
      case 'epoch went back':
        return [];
      default:
        return finding satisfies never;
    }
  });
}

function changeOf(
  pods: readonly PodFacts[],
  change: Pick<wire.RoleChange, 'podId' | 'from' | 'to' | 'decision' | 'reason'>,
): wire.RoleChange[] {
  const pod = pods.find(({ podId }) => podId === change.podId);
  if (pod === undefined) return [];
  return [{ ...change, epoch: pod.epoch, drainMs: pod.drainMs, switchMs: pod.switchMs }];
}
