import { phaseNameOf, roleNameOf, type wire } from '@tercet/contracts';
import type { WatchedPool } from '../pods/pool-watch.js';

/** A pool as `/tercet/cluster` shows it. */
export function poolObject({ status, isCurrent }: WatchedPool): object {
  const { name, model, spec, split, problems, recent, distrustedPodIds, findings, proposal, lastPass } = status;
  return {
    ...{ name, model, isCurrent, spec, split, problems, recent, distrustedPodIds, findings, proposal },
    sleep: status.sleep && { ...status.sleep, sinceUnixMs: Number(status.sleep.sinceUnixMs) },
    pods: status.pods.map(({ podId, role, epoch, phase, recordedRole, recordedEpoch }) => ({
      ...{ podId, role: roleName(role), epoch: Number(epoch), phase: phaseName(phase) },
      ...{ recordedRole: roleName(recordedRole), recordedEpoch: Number(recordedEpoch) },
    })),
    moves: status.moves.map(({ podId, from, to, begunUnixMs, reason, decision }) => ({
      ...{ podId, from: roleName(from), to: roleName(to), reason },
      ...{ begunUnixMs: Number(begunUnixMs), decision: Number(decision) },
    })),
    decisions: status.decisions.map(({ id, begunUnixMs, ...decision }) => {
      return { id: Number(id), begunUnixMs: Number(begunUnixMs), ...decision };
    }),
    roleChanges: status.roleChanges.flatMap(({ unixMs, change }) =>
      change === undefined ? [] : changeObject(unixMs, change),
    ),
    lastPass: lastPass === undefined ? undefined : { ...lastPass, unixMs: Number(lastPass.unixMs) },
  };
}

function changeObject(unixMs: bigint, { podId, from, to, epoch, reason, drainMs, switchMs }: wire.RoleChange): object {
  const change = { podId, from: roleName(from), to: roleName(to), epoch: Number(epoch) };
  return { unixMs: Number(unixMs), ...change, reason, drainMs, switchMs };
}

/** `encode`, `prefill`, `decode`, `none`. */
export function roleName(role: wire.Role): string {
  return roleNameOf(role) ?? 'none';
}

export function phaseName(phase: wire.Phase): string {
  return phaseNameOf(phase) ?? 'unspecified';
}
