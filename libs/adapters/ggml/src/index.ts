export { GgmlBackend, type GgmlBackendOptions } from './ggml-backend.js';
export { expectedGgml, libraryFolder } from './library.js';
