import { StageFits } from '@tercet/cost-model';
import type { FleetShape, Slo, Split } from './fleet.js';
import { groupsOf } from './fleet.js';
import { Forecast, type ForecastOptions } from './forecast.js';
import { type Proposal, type ProposeInput, propose, type StageName, stageNames } from './propose.js';
import { grown, rateOf, type Trace, type TraceRequest, traceOf } from './trace.js';

export interface PlannerOptions {
  /** What is believed of the groups before anything was measured. */
  readonly shape: FleetShape;
  readonly slo: Slo;
  /** Nothing is proposed before the stages that requests use were measured. */
  readonly mustBeMeasured?: boolean;
  readonly forecast?: ForecastOptions;
}

/** How things stand when a proposal is asked for. */
export type Situation = Omit<ProposeInput, 'work' | 'factor' | 'horizonMs' | 'pending'> & {
  readonly nowMs: number;
  /** Requests without a first token. */
  readonly waiting: number;
};

const windowMs = 15_000;
/** A window is shorter where more requests came: a decision should take less than a second. */
const windowRequestsMax = (groups: number) => 400 + 20 * groups;
const windowRequestsMin = 20;
/** Kept between two proposals, and up to as many again. */
const requestsMax = 10_000;
/** Times that the window is replayed, one after the other: a long answer lasts longer than the window. */
const copies = 5;
const horizonMs = 60_000;
/** The forecast is believed within these bounds, relative to the window's rate. */
const factorBounds = { least: 0.8, most: 1.3 };

/**
 * What a controller knows and wants: it fits the costs to what the workers report, keeps the requests of the last
 * window, forecasts the rate of the next one and proposes moves. It asks nobody and does nothing.
 */
export class Planner {
  readonly #options: PlannerOptions;
  readonly #fits = new StageFits();
  readonly #forecast: Forecast;
  #requests: TraceRequest[] = [];
  #came = 0;
  #askedMs: number | undefined;
  #pending: Split | undefined;

  constructor(options: PlannerOptions) {
    this.#options = options;
    this.#forecast = new Forecast(options.forecast);
  }

  /** A batch, an image or a step that a group was measured at; features as {@link StageFits} has them. */
  addWork(stage: StageName, features: readonly number[], ms: number): void {
    this.#fits.add(stage, features, ms);
  }

  /** A request that came; `arrivalMs` on the clock of the situations, not before those that came earlier. */
  addRequest(request: TraceRequest): void {
    this.#requests.push(request);
    this.#came++;
    if (this.#requests.length > 2 * requestsMax) this.#requests = this.#requests.slice(-requestsMax);
  }

  /** The groups as they are believed to be now. */
  shape(): FleetShape {
    const { shape } = this.#options;
    return { ...shape, costs: this.#fits.costs(shape.costs) };
  }

  /** What should move. `undefined` while too few requests came to say anything, or too little was measured. */
  propose(situation: Situation): Proposal | undefined {
    const input = this.inputFor(situation);
    return input && this.concluded(propose(input));
  }

  /**
   * What {@link propose} is asked, for a caller that has it answered elsewhere; {@link concluded} hears the answer
   * before the next question.
   */
  inputFor({ nowMs, waiting, ...situation }: Situation): ProposeInput | undefined {
    this.#count(nowMs);
    const window = this.#window(nowMs, windowRequestsMax(groupsOf(situation.current)));
    if (window.length < windowRequestsMin) return undefined;
    const { slo, mustBeMeasured = false } = this.#options;
    if (mustBeMeasured && !this.#isMeasured(window)) return undefined;
    const expected = this.#forecast.next() / rateOf(window);
    return {
      ...situation,
      work: { trace: withBacklog(grown(window, copies), Math.min(window.length, waiting)), shape: this.shape(), slo },
      factor: Math.min(factorBounds.most, Math.max(factorBounds.least, expected)) / copies,
      horizonMs,
      pending: this.#pending,
    };
  }

  /** @returns the proposal, remembered so that the next one can confirm it */
  concluded(proposal: Proposal): Proposal {
    this.#pending = proposal.kind === 'stay' ? undefined : proposal.target;
    return proposal;
  }

  #isMeasured({ images, outputTokens }: Trace): boolean {
    const isUsed = {
      encode: images.some((count) => count > 0),
      prefill: true,
      decode: outputTokens.some((tokens) => tokens > 1),
    };
    return stageNames.every((stage) => !isUsed[stage] || this.#fits.of(stage) !== undefined);
  }

  /** The rate since the last time. */
  #count(nowMs: number): void {
    if (this.#askedMs !== undefined && nowMs > this.#askedMs) {
      this.#forecast.add((this.#came * 1000) / (nowMs - this.#askedMs));
    }
    this.#askedMs = nowMs;
    this.#came = 0;
  }

  /** Requests of the last window, their arrivals from the first one's. What is older is forgotten. */
  #window(nowMs: number, requestsMax: number): Trace {
    const first = this.#requests.findIndex(({ arrivalMs }) => arrivalMs >= nowMs - windowMs);
    this.#requests = first < 0 ? [] : this.#requests.slice(first).slice(-requestsMax);
    const startMs = this.#requests[0]?.arrivalMs ?? 0;
    return traceOf(this.#requests.map((request) => ({ ...request, arrivalMs: request.arrivalMs - startMs })));
  }
}

/** Who waits already comes at once and makes the rest wait: the last requests of the trace stand for them. */
function withBacklog(trace: Trace, waiting: number): Trace {
  const from = trace.length - waiting;
  const join = (column: Uint32Array) => Uint32Array.of(...column.subarray(from), ...column);
  const arrivalMs = new Float64Array(waiting + trace.length);
  arrivalMs.set(trace.arrivalMs, waiting);
  return {
    length: waiting + trace.length,
    arrivalMs,
    images: join(trace.images),
    patches: join(trace.patches),
    promptTokens: join(trace.promptTokens),
    cachedTokens: join(trace.cachedTokens),
    outputTokens: join(trace.outputTokens),
  };
}
