import { type Ledger, needsStandIn } from '@tercet/controller-core';
import type { ServingPool, Workload } from '@tercet/kubernetes';

/** What is done about the number of pods of a workload. */
export type SizeStep =
  | { readonly kind: 'as wanted' }
  | { readonly kind: 'scale'; readonly to: number }
  /** Somebody else decides it: nothing is done, and said so. */
  | { readonly kind: 'contested'; readonly by: string };

/** Pods that the workload shall have now: none while the pool sleeps, one more while a pod stands in for another. */
export function wantedPods({ spec: { pods } }: Pick<ServingPool, 'spec'>, ledger: Ledger): number {
  if (ledger.sleep?.state === 'asleep') return 0;
  return pods + (needsStandIn(ledger) ? 1 : 0);
}

/**
 * One alone decides how many pods a workload has. An autoscaler that is set on it has the right, and so has who scaled
 * it past the controller: to set it back would go back and forth for ever. Who installs the workload anew, Helm for
 * example, gives it up: then it is set right.
 * @param given numbers that are the controller's own: what it gave last, and what it was about to give when it ended.
 *   Without any, it takes the workload over.
 */
export function planSize(
  { name, replicas, installedBy, scaledBy, autoscaler }: Omit<Workload, 'refusal'>,
  { wanted, given }: { readonly wanted: number; readonly given: readonly number[] },
): SizeStep {
  if (autoscaler !== undefined) return { kind: 'contested', by: `autoscaler ${autoscaler} is set on ${name}` };
  if (replicas === wanted) return { kind: 'as wanted' };
  const isOurs = given.length === 0 || given.includes(replicas) || installedBy !== undefined;
  if (isOurs) return { kind: 'scale', to: wanted };
  return { kind: 'contested', by: `${scaledBy ?? 'somebody'} scaled ${name} to ${replicas}, not to ${wanted}` };
}
