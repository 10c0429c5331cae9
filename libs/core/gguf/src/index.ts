export { Gguf, readGguf } from './read-gguf.js';
export { type ByteSource, type GgufTensor, type GgufValue, ggmlTypes } from './types.js';
export { type GgufContent, type GgufWeights, writeGguf } from './write-gguf.js';
