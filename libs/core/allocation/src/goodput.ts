import type { FleetShape, Slo, Split } from './fleet.js';
import { attainmentOf, simulate } from './simulate.js';
import { rateOf, scaled, type Trace } from './trace.js';

export interface Goodput {
  /** Highest rate of this trace's requests at which the objectives hold; 0 when they never do. */
  readonly rps: number;
  /** Share that meets them at that rate; where they never hold, the best share that was seen. */
  readonly attainment: number;
}

export interface Workload {
  readonly trace: Trace;
  readonly shape: FleetShape;
  readonly slo: Slo;
}

/** Factors between which rates are sought, relative to the trace's own. */
const factorLeast = 1 / 1024;
const factorMost = 1024;

/**
 * The rate that a split can serve, by bisection: the trace is played faster and slower, with the same requests.
 * @param tolerance relative width at which the search ends
 * @param from where to look first, relative to the trace's own rate
 */
export function goodputOf(work: Workload, split: Split, { tolerance = 0.01, from = 1 } = {}): Goodput {
  const rate = rateOf(work.trace);
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  let attained = 0;
  let best = 0;
  for (let factor = from; ; ) {
    const attainment = attainmentAt(work, split, factor);
    best = Math.max(best, attainment);
    if (attainment >= work.slo.attainment) {
      low = factor;
      attained = attainment;
    } else {
      high = factor;
    }
    if (high <= factorLeast) return { rps: 0, attainment: best };
    if (low >= factorMost || isNarrow(low, high, tolerance)) return { rps: low * rate, attainment: attained };
    factor = nextFactor(low, high);
  }
}

/** Share of requests that meet the objectives when the trace is played this much faster. */
export function attainmentAt({ trace, shape, slo }: Workload, split: Split, factor: number): number {
  return attainmentOf(simulate(scaled(trace, factor), split, shape), slo);
}

/** The rate lies between the two, which are near each other. */
export function isNarrow(low: number, high: number, tolerance: number): boolean {
  return high < Number.POSITIVE_INFINITY && high - low <= tolerance * high;
}

/** Doubling and halving until the rate is enclosed, then the middle. */
export function nextFactor(low: number, high: number): number {
  if (low === 0) return high / 2;
  return high === Number.POSITIVE_INFINITY ? low * 2 : (low + high) / 2;
}
