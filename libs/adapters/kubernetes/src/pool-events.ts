import type { KubernetesApi } from './api.js';
import { poolGroup, poolVersion, type ServingPool } from './serving-pool.js';

export interface PoolEvent {
  readonly type: 'Normal' | 'Warning';
  /** One word in camel case: what happened. */
  readonly reason: string;
  readonly message: string;
}

const messageMax = 1000;

/**
 * Tells of a decision where `kubectl describe` and `kubectl get events` show it.
 * @throws cluster_refused, cluster_unavailable
 */
export async function tellOfPool(
  api: KubernetesApi,
  { pool, event, unixMs }: { readonly pool: ServingPool; readonly event: PoolEvent; readonly unixMs: number },
  signal: AbortSignal,
): Promise<void> {
  const { namespace } = api;
  const time = new Date(unixMs);
  const body = {
    metadata: { generateName: `${pool.name.slice(0, 40)}-`, namespace },
    involvedObject: {
      apiVersion: `${poolGroup}/${poolVersion}`,
      kind: 'ServingPool',
      name: pool.name,
      namespace,
      uid: pool.uid,
    },
    type: event.type,
    reason: event.reason,
    message: event.message.slice(0, messageMax),
    source: { component: 'tercet-controller' },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
  await api.call({ event: event.reason }, () => api.core.createNamespacedEvent({ namespace, body }), signal);
}
