export { GgmlBackend, type GgmlBackendOptions } from './ggml-backend.js';
export { GgmlEmbedder, type GgmlEmbedderOptions } from './ggml-embedder.js';
export { expectedGgml, libraryFolder } from './library.js';
