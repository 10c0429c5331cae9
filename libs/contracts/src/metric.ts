/** Processes that export metrics. */
export type ServiceName = 'gateway' | 'stage' | 'controller' | 'vector-index' | 'semantic-cache';

/** Values that a label can have: all of them, or `configured`: as many as the configuration names. */
export type LabelValues = readonly string[] | 'configured';
export type Labels = Readonly<Record<string, LabelValues>>;

/** What a value counts or measures. `state` and `epoch` are numbers that mean no amount. */
export type MetricUnit =
  | 'seconds'
  | 'bytes'
  | 'ratio'
  | 'requests'
  | 'tokens'
  | 'attempts'
  | 'pods'
  | 'blocks'
  | 'steps'
  | 'tiles'
  | 'leases'
  | 'transfers'
  | 'switches'
  | 'exports'
  | 'records'
  | 'lines'
  | 'jobs'
  | 'passes'
  | 'moves'
  | 'findings'
  | 'changes'
  | 'decisions'
  | 'rebalances'
  | 'snapshots'
  | 'keys'
  | 'failures'
  | 'calls'
  | 'points'
  | 'searches'
  | 'collections'
  | 'snapshots'
  | 'vectors'
  | 'state'
  | 'epoch';

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** One metric, as data: enough to register it, to write its line in the docs and to ask for it. */
export interface Metric {
  readonly type: MetricType;
  readonly unit: MetricUnit;
  readonly help: string;
  readonly exportedBy: readonly ServiceName[];
  readonly labels: Labels;
  /** Upper bounds of a histogram; empty for others. */
  readonly buckets: readonly number[];
}

/** What a histogram is cut into. */
export interface Buckets {
  readonly unit: MetricUnit;
  readonly buckets: readonly number[];
}

/** Makes the metrics of some services: `exportedBy('gateway').counter('requests', 'Requests by …', { model })`. */
export function exportedBy<const Services extends readonly ServiceName[]>(...services: Services) {
  return {
    counter: <const L extends Labels>(unit: MetricUnit, help: string, labels: L) =>
      ({ type: 'counter', unit, help, exportedBy: services, labels, buckets: [] }) as const,
    gauge: <const L extends Labels>(unit: MetricUnit, help: string, labels: L) =>
      ({ type: 'gauge', unit, help, exportedBy: services, labels, buckets: [] }) as const,
    histogram: <const L extends Labels>({ unit, buckets }: Buckets, help: string, labels: L) =>
      ({ type: 'histogram', unit, help, exportedBy: services, labels, buckets }) as const,
  };
}
