export { type Kernels, loadKernels, portableKernels } from './kernels.js';
