import { attainmentAt, type FleetShape, type Slo, type Split, type TraceRequest, traceOf } from '@tercet/allocation';

/** A request that ended, and what its client saw. */
export interface Outcome {
  readonly request: TraceRequest;
  /** `undefined` when it failed or was refused: then it met nothing. */
  readonly ttftMs: number | undefined;
  /** `undefined` for an answer of one token. */
  readonly tpotMs: number | undefined;
}

const outcomesMax = 10_000;
/** Fewer say nothing about a split. */
export const outcomesMin = 50;

/** What requests saw lately, and what they would have seen under another split. */
export class Outcomes {
  #kept: Outcome[] = [];

  add(outcome: Outcome): void {
    this.#kept.push(outcome);
    if (this.#kept.length > 2 * outcomesMax) this.#kept = this.#kept.slice(-outcomesMax);
  }

  /**
   * Share of the requests that came in this time and met the objectives, and the share that the simulator says of the
   * same requests under a split. `undefined` when they are too few.
   */
  since(
    fromMs: number,
    { shape, slo, split }: { readonly shape: FleetShape; readonly slo: Slo; readonly split: Split },
  ) {
    const found = this.#kept.filter(({ request }) => request.arrivalMs >= fromMs);
    if (found.length < outcomesMin) return undefined;
    const realised = found.filter((outcome) => isMet(outcome, slo)).length / found.length;
    const startMs = Math.min(...found.map(({ request }) => request.arrivalMs));
    const trace = traceOf(found.map(({ request }) => ({ ...request, arrivalMs: request.arrivalMs - startMs })));
    return { realised, simulated: attainmentAt({ trace, shape, slo }, split, 1) };
  }
}

export function isMet({ ttftMs, tpotMs }: Outcome, slo: Slo): boolean {
  return ttftMs !== undefined && ttftMs <= slo.ttftMs && !(tpotMs !== undefined && tpotMs > slo.tpotMs);
}
