import { tryVectorKernels } from '@tercet/kernels';
import { GraphIndex, type GraphIndexOptions, type VectorKernels } from '@tercet/vector-index';
import type { PeerName, PeerProcess, Timed } from './peer-process.js';
import type { VectorSet } from './vector-set.js';

export const k = 10;

/** One index of one library over the set. */
export interface Searcher {
  readonly name: string;
  readonly build: Timed;
  /** Memory of the index, vectors included. */
  readonly bytes: number;
  /** All queries in one call. */
  search(ef: number): Promise<Timed & { readonly recall: number }>;
}

export interface OurSearcher extends Searcher, Disposable {
  readonly index: GraphIndex;
}

export function nativeKernels(): VectorKernels {
  const kernels = tryVectorKernels();
  if (kernels === undefined) throw new Error('the native kernels are not built: a C++ compiler is needed');
  return kernels;
}

export function buildOurs(
  name: string,
  set: VectorSet,
  options: Partial<GraphIndexOptions>,
  truth: Uint32Array,
): OurSearcher {
  const { dim, base, queries } = set;
  const count = base.length / dim;
  const index = new GraphIndex({ metric: 'cosine', dim, slotsMax: count, ...options }, nativeKernels());
  const slots = Uint32Array.from({ length: count }, (_, i) => i);
  const { timed: build } = time(() => index.upsert(slots, base));
  return {
    name,
    build,
    bytes: index.usedBytes,
    index,
    search: async (efSearch) => {
      const { timed, result } = time(() => index.search({ queries, k, efSearch }));
      return { ...timed, recall: recallOf(result.slots, truth) };
    },
    [Symbol.dispose]: () => index[Symbol.dispose](),
  };
}

export async function buildPeer(peers: PeerProcess, name: PeerName): Promise<Searcher> {
  const { bytes, ...build } = await peers.build(name);
  return { name, build, bytes, search: (ef) => peers.search(name, ef) };
}

export function recallOf(found: Uint32Array, truth: Uint32Array): number {
  let hits = 0;
  for (let at = 0; at < truth.length; at += k) {
    const row = new Set(truth.subarray(at, at + k));
    for (const slot of found.subarray(at, at + k)) if (row.has(slot)) hits++;
  }
  return hits / truth.length;
}

export function time<T>(work: () => T): { readonly timed: Timed; readonly result: T } {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  const result = work();
  const wallS = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { timed: { cpuS: (user + system) / 1e6, wallS }, result };
}
