export { GgmlBackend, type GgmlBackendOptions } from './ggml-backend.js';
export { expectedGgml } from './library.js';
