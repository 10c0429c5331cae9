import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { benchCache } from '../llama-source.js';

/** Where the index bench keeps its data sets: outside the repository. */
export const indexCache = join(dirname(benchCache), 'index-data');

/** A file of little-endian float32 values. */
export function readFloats(path: string): Float32Array {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}
