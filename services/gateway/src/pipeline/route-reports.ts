import { type Log, traceFields } from '@tercet/telemetry';
import type { Route, RoutePlan } from './plan.js';
import type { GenerationRequest, TakenRoute } from './request.js';

/** What is counted of routes. */
export interface RouteCounts {
  routed(model: string, reason: Route['reason']): void;
  /** Of the tokens that were expected to be cached, and those that were. */
  predicted(model: string, tokens: { readonly expected: number; readonly found: number }): void;
}

/** Tells why requests went where they went, and whether what was expected there was there. */
export class RouteReports {
  readonly #log: Log;
  readonly #counts: RouteCounts;

  constructor(log: Log, counts: RouteCounts) {
    this.#log = log;
    this.#counts = counts;
  }

  planned<Pod>(request: GenerationRequest, { plan, attempt }: { plan: RoutePlan<Pod>; attempt: number }): void {
    const { requestId, traceparent, model } = request;
    const { reason, expected } = plan.route;
    this.#counts.routed(model.name, reason);
    this.#log.info('request.routed', {
      requestId,
      ...traceFields(traceparent),
      attempt,
      reason,
      prefill: plan.prefill.podId,
      ...(plan.decode && { decode: plan.decode.podId }),
      ...(expected && rounded(expected)),
    });
  }

  started<Pod>(request: GenerationRequest, started: { plan: RoutePlan<Pod>; cachedTokens: number }): void {
    const { expected } = started.plan.route;
    if (expected === undefined) return;
    const tokens = { expected: expected.cachedTokens, found: started.cachedTokens };
    this.#counts.predicted(request.model.name, tokens);
  }
}

/** The route as the client and the trace see it. */
export function takenRoute({ reason, expected }: Route): TakenRoute {
  return { reason, ...(expected && { expectedTokens: expected.cachedTokens }) };
}

function rounded({ cachedTokens, totalMs: _, ...times }: NonNullable<Route['expected']>): object {
  const wholeMs = Object.entries(times).map(([name, ms]) => [name, Math.round(ms)]);
  return { expectedTokens: cachedTokens, ...Object.fromEntries(wholeMs) };
}
