export {
  type ExactSearch,
  RecallAudit,
  type RecallAuditOptions,
  type RecallEstimate,
} from './audit/recall-audit.js';
export { GraphIndex, type GraphIndexOptions, searchLimits } from './graph/graph-index.js';
export { type InsertionOrder, insertionOrder, localDimensionality } from './graph/insertion-order.js';
export type { GraphKernel, KernelSearch, VectorKernels } from './graph/kernels.js';
export { GraphMemory, headWords, stateBits } from './graph/memory.js';
export type { MemoryRegion } from './graph/region.js';
export { dimMax, type GraphOptions, type GraphShape, shapeOf } from './graph/shape.js';
export { portableVectorKernels } from './portable/portable-kernels.js';
export { lvqHeadBytes, paddedDim, rowBytes, type VectorCode } from './quantization/vector-code.js';
export { type Metric, noSlot, type SearchRequest, type SearchResult, type VectorIndex } from './vector-index.js';
