export { memory } from './ffi.js';
export { GgmlBackend, type GgmlBackendOptions } from './ggml-backend.js';
export { GgmlEmbedder, type GgmlEmbedderOptions } from './ggml-embedder.js';
export type { AllocateArena } from './kv-arena.js';
export { expectedGgml, libraryFolder } from './library.js';
export { openBackend } from './open-backend.js';
export { mapFile } from './system-memory.js';
