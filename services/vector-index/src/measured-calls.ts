import type { Clock } from '@tercet/base';
import { type LabelsOf, type TercetError, toTercetError, wire } from '@tercet/contracts';
import type { ServiceMetrics } from '@tercet/telemetry';

type CallName = LabelsOf<'tercet_index_calls_total'>['call'];
type RouteLabel = LabelsOf<'tercet_index_search_seconds'>['route'];

const routeLabels: Readonly<Partial<Record<wire.SearchRoute, RouteLabel>>> = {
  [wire.SearchRoute.SEARCH_ROUTE_NONE]: 'none',
  [wire.SearchRoute.SEARCH_ROUTE_EXACT_SCAN]: 'exact scan',
  [wire.SearchRoute.SEARCH_ROUTE_BITMAP_SCAN]: 'bitmap scan',
  [wire.SearchRoute.SEARCH_ROUTE_GRAPH]: 'graph',
  [wire.SearchRoute.SEARCH_ROUTE_FILTERED_GRAPH]: 'filtered graph',
  [wire.SearchRoute.SEARCH_ROUTE_GRAPH_THEN_SCAN]: 'graph then scan',
  [wire.SearchRoute.SEARCH_ROUTE_TEXT]: 'text',
};

export interface MeasuredCallsOptions {
  readonly metrics: ServiceMetrics<'vector-index'>;
  readonly clock: Clock;
  /** Hears of failures that somebody must look at. */
  readonly onDamage: (error: TercetError) => void;
}

/** Counts calls and their times around their answers. */
export class MeasuredCalls {
  readonly #options: MeasuredCallsOptions;

  constructor(options: MeasuredCallsOptions) {
    this.#options = options;
  }

  async call<T>(call: CallName, answer: Promise<T>): Promise<T> {
    const { metrics, onDamage } = this.#options;
    try {
      const result = await answer;
      metrics.count('tercet_index_calls_total', { call, outcome: 'ok' });
      return result;
    } catch (error) {
      const failure = toTercetError(error);
      metrics.count('tercet_index_calls_total', { call, outcome: failure.code });
      if (failure.httpStatus === 500) onDamage(failure);
      throw error;
    }
  }

  async write(call: 'upsert' | 'delete_points', answer: Promise<wire.WriteReceipt>): Promise<wire.WriteReceipt> {
    const { metrics, clock } = this.#options;
    const startMs = clock.nowMs();
    const receipt = await this.call(call, answer);
    metrics.observe('tercet_index_write_seconds', {}, (clock.nowMs() - startMs) / 1000);
    const change = call === 'upsert' ? 'upserted' : 'deleted';
    metrics.count('tercet_index_points_changed_total', { change }, receipt.points);
    return receipt;
  }

  async search(
    call: 'search' | 'recommend',
    answer: Promise<wire.SearchPointsResponse>,
  ): Promise<wire.SearchPointsResponse> {
    const response = await this.call(call, answer);
    for (const { explanation } of response.results) {
      const route = explanation && routeLabels[explanation.route];
      if (explanation === undefined || route === undefined) continue;
      const { metrics } = this.#options;
      const seconds = (explanation.filterMs + explanation.searchMs) / 1000;
      metrics.observe('tercet_index_search_seconds', { route }, seconds);
      metrics.count('tercet_index_candidates_total', { route }, Number(explanation.candidates));
    }
    return response;
  }
}
