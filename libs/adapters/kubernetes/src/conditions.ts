import type { PoolCondition } from './serving-pool.js';

export type ConditionNow = Omit<PoolCondition, 'lastTransitionTime' | 'observedGeneration'>;

/** Conditions as they are now, each with the time since when it is so. */
export function withTransitions(
  before: readonly PoolCondition[],
  now: readonly ConditionNow[],
  { unixMs, generation }: { readonly unixMs: number; readonly generation: number },
): PoolCondition[] {
  return now.map((condition) => {
    const known = before.find(({ type }) => type === condition.type);
    const since = known?.status === condition.status ? known.lastTransitionTime : new Date(unixMs).toISOString();
    return { ...condition, lastTransitionTime: since, observedGeneration: generation };
  });
}
