import { assert } from '@tercet/base';
import type { VectorCode } from '../quantization/vector-code.js';
import type { Metric } from '../vector-index.js';

/** What a graph is made with and keeps for its life. */
export interface GraphShape {
  readonly metric: Metric;
  readonly dim: number;
  readonly code: VectorCode;
  /** Slots are below it. Memory is reserved for so many, and taken only where vectors are. */
  readonly slotsMax: number;
  /** Links of a row at most. */
  readonly degreeMax: number;
  /** Links that a vector gets when it comes, and that a full row is cut to. */
  readonly degreeNew: number;
  /** Length of the list of candidates that links are chosen from. */
  readonly efConstruction: number;
  /** Above 1, links are kept although a way over others is a little shorter: fewer steps, longer rows. */
  readonly alpha: number;
  /** Vectors, a sample of all, that every walk starts with. */
  readonly entriesMax: number;
}

export type GraphOptions = Pick<GraphShape, 'metric' | 'dim' | 'slotsMax'> & Partial<GraphShape>;

export const dimMax = 8192;
const entriesLimit = 112;

/** Fills in what was measured to serve best: docs/decisions/0043-one-layer-and-two-levels.md. */
export function shapeOf(options: GraphOptions): GraphShape {
  const shape: GraphShape = {
    code: { kind: 'lvq', bits: 4, restBits: 6 },
    degreeMax: 32,
    degreeNew: 32,
    efConstruction: 120,
    alpha: 1.1,
    entriesMax: 64,
    ...options,
  };
  const { dim, slotsMax, degreeMax, degreeNew, efConstruction, alpha, entriesMax } = shape;
  assert(dim >= 1 && dim <= dimMax, 'a graph has dimensions', { dim, dimMax });
  assert(slotsMax >= 1 && slotsMax < 2 ** 31, 'slots are below 2^31', { slotsMax });
  assert(degreeNew >= 1 && degreeNew <= degreeMax && degreeMax <= 128, 'a row holds its links', {
    degreeNew,
    degreeMax,
  });
  assert(efConstruction >= 1 && efConstruction <= 768, 'the list of candidates is bounded', { efConstruction });
  assert(alpha >= 1, 'alpha is at least 1', { alpha });
  assert(entriesMax >= 1 && entriesMax <= entriesLimit, 'entries fit the head', { entriesMax });
  return shape;
}
