export { applyStep, withCachedTokens, withoutAdmission } from './apply-step.js';
export {
  type ChunkGrid,
  type ChunkRange,
  chunkAt,
  coldKernelAt,
  type PromptShape,
  type RowKernels,
  reusableTokens,
} from './chunking.js';
export {
  type PlannedChunk,
  planStep,
  type StepLimits,
  type StepPlan,
  spentTokens,
  type TokensPlan,
} from './plan-step.js';
export { type KernelRun, type ReuseGrid, reuseGridOf, reuseOf, type StoredPrompt } from './reuse-grid.js';
export {
  emptyState,
  type KvRoom,
  type PrefillingPrompt,
  type SchedulerState,
  type StepKind,
  type UnitWork,
  type Waiting,
  type WaitingPrompt,
  type WaitingReservation,
  type WorkId,
  withDecoding,
  without,
  withUnits,
  withWaiting,
} from './state.js';
