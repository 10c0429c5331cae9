import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Prng } from '@tercet/base';
import { indexCache, readFloats } from './cache.js';
import type { VectorSet } from './vector-set.js';

/** Dimensions that hold everything, and those in which a cluster spreads. */
const latentDims = 96;
const clusterDims = 20;
const vectorsPerCluster = 100;
const queries = 1000;
const seed = 11;

/**
 * Vectors with a spectrum like that of text: latent components that fall by a power law, clusters whose sizes follow
 * Zipf's, each spread in a subspace of its own. They are easier to search than real text of the same size.
 */
export function syntheticSet(count: number, dim: number, say: (line: string) => void): VectorSet {
  const name = `syn${dim}x${count}`;
  const folder = join(indexCache, name);
  const [base, asked] = [join(folder, 'documents.f32'), join(folder, 'queries.f32')];
  if (!existsSync(asked)) {
    say(`drawing ${count} × ${dim} …`);
    mkdirSync(folder, { recursive: true });
    const all = draw(count + queries, dim);
    for (const [path, from, to] of [
      [base, 0, count],
      [asked, count, count + queries],
    ] as const) {
      writeFileSync(`${path}.part`, new Uint8Array(all.slice(from * dim, to * dim).buffer));
      renameSync(`${path}.part`, path);
    }
  }
  return { name, dim, folder, base: readFloats(base), queries: readFloats(asked) };
}

function draw(count: number, dim: number): Float32Array {
  const prng = new Prng(seed);
  const clusters = Math.ceil(count / vectorsPerCluster);
  const spectrum = Float32Array.from({ length: latentDims }, (_, i) => (i + 1) ** -0.75);
  const mixing = normals(prng, latentDims * dim);
  const centres = normals(prng, clusters * latentDims);
  const bases = normals(prng, clusters * clusterDims * latentDims);
  const sizes = zipf(clusters);
  const out = new Float32Array(count * dim);
  const latent = new Float32Array(latentDims);
  for (let row = 0; row < count; row++) {
    const cluster = pick(prng, sizes);
    const spread = normals(prng, clusterDims);
    for (let i = 0; i < latentDims; i++) {
      let value = (centres[cluster * latentDims + i] as number) + 0.02 * normal(prng);
      for (let j = 0; j < clusterDims; j++) {
        value += 0.134 * (spread[j] as number) * (bases[(cluster * clusterDims + j) * latentDims + i] as number);
      }
      latent[i] = value * (spectrum[i] as number);
    }
    mix(latent, mixing, out.subarray(row * dim, (row + 1) * dim));
  }
  return out;
}

/** Brings a latent vector to its dimensions and to length 1. */
function mix(latent: Float32Array, mixing: Float32Array, out: Float32Array): void {
  const dim = out.length;
  for (const [i, weight] of latent.entries()) {
    for (let d = 0; d < dim; d++) out[d] = (out[d] as number) + weight * (mixing[i * dim + d] as number);
  }
  const length = Math.sqrt(out.reduce((sum, value) => sum + value * value, 0));
  for (let d = 0; d < dim; d++) out[d] = (out[d] as number) / length;
}

function normal(prng: Prng): number {
  const radius = Math.sqrt(-2 * Math.log(1 - prng.nextFloat()));
  return radius * Math.cos(2 * Math.PI * prng.nextFloat());
}

function normals(prng: Prng, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => normal(prng));
}

/** Running sums of shares that fall with the rank. */
function zipf(count: number): Float64Array {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) {
    sum += (rank + 1) ** -0.8;
    sums[rank] = sum;
  }
  return sums.map((each) => each / sum);
}

function pick(prng: Prng, sums: Float64Array): number {
  const share = prng.nextFloat();
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] as number) < share) low = middle + 1;
    else high = middle;
  }
  return low;
}
