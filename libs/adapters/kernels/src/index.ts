export { tryVectorKernels } from './graph-kernels.js';
export { type Kernels, loadKernels, portableKernels } from './kernels.js';
