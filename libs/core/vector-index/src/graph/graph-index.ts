import { TercetError } from '@tercet/contracts';
import type { Metric, SearchRequest, SearchResult, VectorIndex } from '../vector-index.js';
import { checkVectors } from './check-vectors.js';
import type { GraphKernel, KernelSearch, VectorKernels } from './kernels.js';
import { GraphMemory } from './memory.js';
import { type GraphOptions, type GraphShape, shapeOf } from './shape.js';

export interface GraphIndexOptions extends GraphOptions {
  /** Where a search names none. */
  readonly efSearch?: number;
  /** Candidates compared by both levels of their codes, as a multiple of k. */
  readonly rerankFactor?: number;
  /** Native threads of a bulk insertion and of a search of many queries, at most. */
  readonly threads?: number;
}

/** Queries of one search at most, and results of each. */
export const searchLimits = { queries: 16_384, k: 16_384, ef: 65_536 } as const;

/** An approximate index: a graph of near neighbours over codes of the vectors. */
export class GraphIndex implements VectorIndex, Disposable {
  readonly shape: GraphShape;
  readonly memory: GraphMemory;
  readonly #kernel: GraphKernel;
  readonly #options: Required<Pick<GraphIndexOptions, 'efSearch' | 'rerankFactor' | 'threads'>>;
  #size = 0;
  #searching = 0;
  #closed = false;

  constructor(options: GraphIndexOptions, kernels: VectorKernels) {
    const { efSearch = 64, rerankFactor = 4, threads = 1, ...graph } = options;
    this.shape = shapeOf(graph);
    this.memory = new GraphMemory(this.shape, kernels.reserve);
    this.#kernel = kernels.open(this.memory);
    this.#options = { efSearch, rerankFactor, threads };
  }

  get metric(): Metric {
    return this.shape.metric;
  }

  get dim(): number {
    return this.shape.dim;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes that hold vectors and links. */
  get usedBytes(): number {
    return this.memory.usedBytes;
  }

  has(slot: number): boolean {
    return this.memory.isLive(slot);
  }

  /** The vector under a live slot, as its code tells it: of length 1 where the metric is cosine. */
  vectorOf(slot: number): Float32Array {
    if (!this.has(slot)) throw new RangeError(`no vector under slot ${slot}`);
    return this.#kernel.decode(slot);
  }

  upsert(slots: Uint32Array, vectors: Float32Array): void {
    checkVectors(this.shape, vectors, slots.length);
    this.#checkSlots(slots);
    this.remove(slots);
    this.memory.claim(slots);
    this.#kernel.insert(slots, vectors, this.#options.threads);
    this.#size += slots.length;
  }

  remove(slots: Uint32Array): void {
    const live = new Set(slots.filter((slot) => this.has(slot)));
    if (live.size === 0) return;
    const gone = Uint32Array.from(live);
    this.#kernel.remove(gone);
    this.memory.disclaim(gone);
    this.#size -= gone.length;
  }

  search(request: SearchRequest): SearchResult {
    return this.#kernel.search(this.#checked(request));
  }

  /** As {@link search}, on another thread: upserts and removals may come meanwhile. */
  async searchAsync(request: SearchRequest): Promise<SearchResult> {
    return this.#beside(this.#kernel.searchAsync(this.#checked(request)));
  }

  /** The nearest of all, without the graph: as exact as the codes are. */
  searchExact(request: SearchRequest): SearchResult {
    return this.#kernel.scan(this.#checked(request));
  }

  async searchExactAsync(request: SearchRequest): Promise<SearchResult> {
    return this.#beside(this.#kernel.scanAsync(this.#checked(request)));
  }

  /** Frees the memory; no search may be under way. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    if (this.#searching > 0) throw new Error(`${this.#searching} searches still read the index`);
    this.#closed = true;
    this.memory.free();
  }

  async #beside(search: Promise<SearchResult>): Promise<SearchResult> {
    this.#searching++;
    try {
      return await search;
    } finally {
      this.#searching--;
    }
  }

  #checked({ queries, k, efSearch = this.#options.efSearch, allow }: SearchRequest): KernelSearch {
    const count = queries.length / this.dim;
    const { queries: queriesMax, k: kMax, ef: efMax } = searchLimits;
    const fits = (value: number, max: number) => Number.isInteger(value) && value >= 1 && value <= max;
    if (!fits(k, kMax)) throw new TercetError('invalid_request', { field: 'k', value: k, max: kMax });
    if (!fits(efSearch, efMax)) throw new TercetError('invalid_request', { field: 'efSearch', value: efSearch });
    if (count > queriesMax) throw new TercetError('invalid_request', { field: 'queries', count, max: queriesMax });
    checkVectors(this.shape, queries, Math.floor(count));
    const { rerankFactor, threads } = this.#options;
    return { queries, k, ef: efSearch, rerank: k * rerankFactor, allow, threads: Math.min(threads, count) };
  }

  #checkSlots(slots: Uint32Array): void {
    const { slotsMax } = this.shape;
    const seen = new Set<number>();
    for (const slot of slots) {
      if (slot >= slotsMax) throw new TercetError('index_limit_reached', { slot, slotsMax });
      if (seen.has(slot)) throw new TercetError('invalid_request', { field: 'slots', twice: slot });
      seen.add(slot);
    }
  }
}
