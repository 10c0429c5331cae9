import { assert, type Prng } from '@tercet/base';
import { noSlot, type SearchRequest, type SearchResult } from '../vector-index.js';

export interface RecallEstimate {
  /** Mean over the audited queries of the share of the exact results that were found. */
  readonly recall: number;
  /** 95 % interval of it. */
  readonly low: number;
  readonly high: number;
  readonly queries: number;
}

export interface RecallAuditOptions {
  /** Of the queries that are run again exactly: 0 to 1. */
  readonly share: number;
  /** Audited queries that the estimate looks back on. */
  readonly windowMax: number;
  readonly prng: Prng;
}

/** What an index of any kind offers for an audit. */
export interface ExactSearch {
  searchExactAsync(request: SearchRequest): Promise<SearchResult>;
}

/**
 * How good the answers are that are given: a share of live queries is run again, compared with everything. What it
 * measures is the walk; the codes that both share have an error of their own.
 * @see Elliott & Clark 2024, "The impacts of data, ordering, and intrinsic dimensionality on recall in HNSW",
 *      arXiv:2405.17813: recall moves with the data, so that it is measured where it is served
 */
export class RecallAudit {
  readonly #options: RecallAuditOptions;
  readonly #recalls: number[] = [];

  constructor(options: RecallAuditOptions) {
    const { share, windowMax } = options;
    assert(share >= 0 && share <= 1 && windowMax >= 2, 'an audit has a share and a window', { share, windowMax });
    this.#options = options;
  }

  /** Whether the next query is one of the share. */
  picks(): boolean {
    return this.#options.prng.nextFloat() < this.#options.share;
  }

  /** Runs a query again that was answered, on another thread, and counts how much of the truth it had. */
  async check(index: ExactSearch, request: SearchRequest, answer: SearchResult): Promise<void> {
    const exact = await index.searchExactAsync(request);
    for (let query = 0; query < exact.counts.length; query++) {
      const row = (slots: Uint32Array) => slots.subarray(query * request.k, (query + 1) * request.k);
      this.add(row(answer.slots), row(exact.slots));
    }
  }

  /** Counts one query's answer beside the exact one. Where there is nothing to find, nothing is learnt. */
  add(found: Uint32Array, exact: Uint32Array): void {
    const truth = exact.filter((slot) => slot !== noSlot);
    if (truth.length === 0) return;
    const had = new Set(found);
    this.#recalls.push(truth.filter((slot) => had.has(slot)).length / truth.length);
    if (this.#recalls.length > this.#options.windowMax) this.#recalls.shift();
  }

  /** Undefined before two queries were audited. */
  estimate(): RecallEstimate | undefined {
    const queries = this.#recalls.length;
    if (queries < 2) return undefined;
    const recall = this.#recalls.reduce((sum, each) => sum + each, 0) / queries;
    const variance = this.#recalls.reduce((sum, each) => sum + (each - recall) ** 2, 0) / (queries - 1);
    // Queries that are all alike still leave room for others, one in a third of their number.
    const half = Math.max(1.96 * Math.sqrt(variance / queries), variance === 0 ? 3 / queries : 0);
    return { recall, low: Math.max(recall - half, 0), high: Math.min(recall + half, 1), queries };
  }
}
