// Port: the work of a graph over memory that its owner laid out. The native library and the portable twin implement it
// and pass the same suite.
import type { SearchResult } from '../vector-index.js';
import type { GraphMemory } from './memory.js';
import type { MemoryRegion } from './region.js';

export interface VectorKernels {
  /** What runs: an instruction set of the native library, or `typescript`. */
  readonly variant: string;
  /** The portable twin gives the same results at a small part of the speed. */
  readonly isSlow: boolean;
  /** Memory that reads as zeros, and is taken only where it is written to. */
  reserve(bytes: number): MemoryRegion;
  open(memory: GraphMemory): GraphKernel;
}

export interface KernelSearch {
  /** [q, dim] */
  readonly queries: Float32Array;
  readonly k: number;
  readonly ef: number;
  /** Candidates that are compared once more by both levels of their codes; at least k are. */
  readonly rerank: number;
  readonly allow: Uint32Array | undefined;
  readonly threads: number;
}

/** One graph. Insertions and removals come from its owner, one at a time; searches may run beside them. */
export interface GraphKernel {
  /** The slots are free, distinct and below `slotsMax`; vectors are [slots, dim] and sound. */
  insert(slots: Uint32Array, vectors: Float32Array, threads: number): void;
  /** The slots are live and distinct. */
  remove(slots: Uint32Array): void;
  search(search: KernelSearch): SearchResult;
  /** On another thread, where there is one. */
  searchAsync(search: KernelSearch): Promise<SearchResult>;
  /** Compares every live vector that is allowed. */
  scan(search: KernelSearch): SearchResult;
  scanAsync(search: KernelSearch): Promise<SearchResult>;
  /** What a walk (level 1) or the last order (level 2) takes as the distances of these slots. */
  distances(query: Float32Array, slots: Uint32Array, level: 1 | 2): Float32Array;
  /** The vector that the code under a slot stands for. */
  decode(slot: number): Float32Array;
}
