export type { PullInto, PullResult } from './incoming-pull.js';
export type { LeaseEnd, TensorSegment, TensorSource } from './lease-table.js';
export { SharedArena, SharedMemory, type SharedMemoryOptions } from './shared-memory.js';
export { TensorPlane, type TensorPlaneListen, type TensorPlaneOptions, type TensorPlaneStats } from './tensor-plane.js';
export { nodeKernels, type TransferKernels } from './transfer-kernels.js';
