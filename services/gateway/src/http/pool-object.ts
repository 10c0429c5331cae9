import { wire } from '@tercet/contracts';
import type { WatchedPool } from '../pods/pool-watch.js';

/** A pool as `/tercet/cluster` shows it. */
export function poolObject({ status, isCurrent }: WatchedPool): object {
  const { model, spec, split, problems, recent, distrustedPodIds, findings, proposal, lastPass } = status;
  return {
    ...{ model, isCurrent, spec, split, problems, recent, distrustedPodIds, findings, proposal },
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
    lastPass: lastPass === undefined ? undefined : { ...lastPass, unixMs: Number(lastPass.unixMs) },
  };
}

/** `encode`, `prefill`, `decode`, `none`. */
export function roleName(role: wire.Role): string {
  return role === wire.Role.ROLE_UNSPECIFIED ? 'none' : wire.Role[role].replace('ROLE_', '').toLowerCase();
}

export function phaseName(phase: wire.Phase): string {
  return wire.Phase[phase].replace('PHASE_', '').toLowerCase();
}
