export type { PullInto, PullResult } from './incoming-pull.js';
export { SharedArena, SharedMemory, type SharedMemoryOptions } from './shared-memory.js';
export { TensorPlane, type TensorPlaneListen, type TensorPlaneOptions, type TensorPlaneStats } from './tensor-plane.js';
export type { LeaseEnd, TensorSegment, TensorSource } from './tensor-source.js';
export { nodeKernels, type TransferKernels } from './transfer-kernels.js';
export type { TensorTls } from './transport.js';
