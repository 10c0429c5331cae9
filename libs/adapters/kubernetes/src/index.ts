export { KubernetesApi, type KubernetesOptions } from './api.js';
export { type ConditionNow, withTransitions } from './conditions.js';
export { servingPoolDefinition, servingPoolYaml } from './custom-resource.js';
export { LeaderElection, type LeaderElectionOptions } from './leader-election.js';
export { type PoolEvent, tellOfPool } from './pool-events.js';
export { type PoolPod, PoolPods, type PoolPodsOptions } from './pool-pods.js';
export { type Pools, ServingPools, type StatusChange, type UnreadablePool } from './pools.js';
export {
  directions,
  type PoolCondition,
  poolLabel,
  roleLabel,
  type ServingPool,
  type ServingPoolSpec,
  type ServingPoolStatus,
  type Stage,
  selectorOf,
  selectorText,
} from './serving-pool.js';
export { PoolWorkloads, type Workload } from './workloads.js';
