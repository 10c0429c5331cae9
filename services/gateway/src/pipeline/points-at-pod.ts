import { toTercetError } from '@tercet/contracts';

/** The pod is gone or is not what it was: what is known of it is wrong. Other failures are the request's. */
export function pointsAtPod(error: unknown): boolean {
  const { code } = toTercetError(error, 'stage_failed');
  return ['pod_unreachable', 'epoch_stale', 'draining', 'shutting_down'].includes(code);
}
