export { Controller, type ControllerOptions, type LedgerStore, type Pods } from './controller.js';
export {
  type Assignment,
  type BegunMove,
  type Decision,
  emptyLedger,
  type Ledger,
  type MoveReason,
  type Replacement,
  type Sleep,
  type Verdict,
} from './ledger.js';
export type { Outcome } from './outcomes.js';
export { type Ask, type Pass, type PassInput, planPass } from './plan-pass.js';
export type { Wish } from './plan-wish.js';
export { type Direction, membersOf, type PodState, type PoolSpec, splitOf } from './pool.js';
export type { Problem } from './problems.js';
export { needsStandIn, type SurgeRoom } from './replacement.js';
export type { Finding } from './settle.js';
export { type Demand, expectedWakeMs, type SleepChange } from './sleep.js';
