import { PromQl } from '@tercet/promql';

/** One line, area or number of a panel. */
export interface Query {
  readonly expr: string;
  /** As the legend names it: text with `{{label}}`. */
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  /** What it shows and how to read it; stands behind the panel's (i). */
  readonly description: string;
  readonly kind: 'lines' | 'stack' | 'number' | 'heatmap' | 'states';
  readonly unit: 'seconds' | 'share' | 'bytes' | 'bytesPerSecond' | 'requestsPerSecond' | 'perSecond' | 'count';
  readonly queries: readonly Query[];
  /** Of 24 columns; 12 by default, 4 for a number. */
  readonly width?: number;
  /** Value from which it is shown as bad, or below which with `badBelow`. */
  readonly badAbove?: number;
  readonly badBelow?: number;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly Row[];
}

/** Queries of every panel: what the variables at the top of the dashboard choose. */
export const promql = new PromQl({
  window: '$__rate_interval',
  labels: { namespace: '=~"$namespace"', model: '=~"$model"' },
});

/** The moments when a pod took another role. */
export const roleChanges: Query = {
  expr: `changes(${promql.series('tercet_stage_epoch')}[1m]) > 0`,
  legend: '{{pod}} took another role',
};

/** The moments when the controller's last decision was judged, or followed by another. */
export const decisions: Query = {
  expr: `${promql.over('1m').increase('tercet_controller_decisions_total', ['pool', 'verdict'])} > 0`,
  legend: 'decision for {{pool}} {{verdict}}',
};

/** The usual three of a distribution. */
export function percentiles(quantile: (q: number) => string): Query[] {
  return [0.5, 0.95, 0.99].map((q) => ({ expr: quantile(q), legend: `p${q * 100}` }));
}
