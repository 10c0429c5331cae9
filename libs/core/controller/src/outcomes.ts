import { type Slo, type Trace, type TraceRequest, traceOf } from '@tercet/allocation';

/** A request that ended, and what its client saw. */
export interface Outcome {
  readonly arrivalMs: number;
  /** `undefined` when it was refused before its prompt was known: it counts, but cannot be replayed. */
  readonly request: Omit<TraceRequest, 'arrivalMs'> | undefined;
  /** `undefined` when it failed or was refused: then it met nothing. */
  readonly ttftMs: number | undefined;
  /** `undefined` for an answer of one token. */
  readonly tpotMs: number | undefined;
}

const outcomesMax = 10_000;
/** Fewer say nothing about a split. */
export const outcomesMin = 50;

/** What requests saw lately. */
export class Outcomes {
  #kept: Outcome[] = [];

  add(outcome: Outcome): void {
    this.#kept.push(outcome);
    if (this.#kept.length > 2 * outcomesMax) this.#kept = this.#kept.slice(-outcomesMax);
  }

  /** How many requests came in this time, and how many of them met the objectives. */
  lately(fromMs: number, slo: Slo): { readonly requests: number; readonly met: number } {
    const found = this.#kept.filter(({ arrivalMs }) => arrivalMs >= fromMs);
    return { requests: found.length, met: found.filter((outcome) => isMet(outcome, slo)).length };
  }

  /**
   * Share of the requests that came in this time and met the objectives, and the same requests to be replayed.
   * `undefined` when they are too few.
   */
  since(fromMs: number, slo: Slo): { readonly realised: number; readonly trace: Trace } | undefined {
    const found = this.#kept.filter(({ arrivalMs }) => arrivalMs >= fromMs);
    const known = found.flatMap(({ request, arrivalMs }) => (request === undefined ? [] : [{ ...request, arrivalMs }]));
    if (known.length < outcomesMin) return undefined;
    const realised = found.filter((outcome) => isMet(outcome, slo)).length / found.length;
    const startMs = known.reduce((earliest, { arrivalMs }) => Math.min(earliest, arrivalMs), Number.POSITIVE_INFINITY);
    const trace = traceOf(known.map((request) => ({ ...request, arrivalMs: request.arrivalMs - startMs })));
    return { realised, trace };
  }
}

export function isMet({ ttftMs, tpotMs }: Outcome, slo: Slo): boolean {
  return ttftMs !== undefined && ttftMs <= slo.ttftMs && !(tpotMs !== undefined && tpotMs > slo.tpotMs);
}
