import type { Filter } from '../filter/filter.js';
import type { Fusion } from './ranked.js';
import type { Route } from './route.js';

/** What is looked for: a vector, words, or both. */
export interface Query {
  /** [dimensions] */
  readonly vector?: Float32Array;
  readonly text?: { readonly field: string; readonly words: string };
}

export interface QueryOptions {
  readonly k: number;
  readonly filter?: Filter;
  readonly efSearch?: number;
  /** Compare with every vector that the filter lets through. */
  readonly exact?: boolean;
  readonly fusion?: Fusion;
  /** k groups by the values of a keyword field, each with so many hits at most. */
  readonly groupBy?: { readonly field: string; readonly size: number };
  /** From 0 to below 1: how much the answer stands for all that is near, instead of for what is nearest. */
  readonly diversity?: number;
  /** Points that are no hits. */
  readonly without?: readonly string[];
}

export interface Hit {
  readonly id: string;
  /** Higher is better: similarity, negative distance, or what fusion made of them. */
  readonly score: number;
  /** JSON; empty without one. */
  readonly payload: string;
  /** A view, true until the point is written again. */
  readonly vector: Float32Array;
  readonly group?: string;
}

/** How an answer was found. */
export interface Explanation {
  readonly route: Route;
  /** Nothing better was missed. */
  readonly exact: boolean;
  /** Points that the filter lets through, and what was expected before it was looked at. */
  readonly matches: number;
  readonly expectedMatches: number;
  /** Vectors that were compared with the query. */
  readonly candidates: number;
  readonly textCandidates: number;
  readonly filterMs: number;
  readonly searchMs: number;
}

export interface Answer {
  readonly hits: readonly Hit[];
  readonly explanation: Explanation;
}
