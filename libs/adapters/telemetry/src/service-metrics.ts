import { assert } from '@tercet/base';
import {
  type LabelsOf,
  type Metric,
  type MetricName,
  type MetricNameOf,
  metricList,
  type ServiceName,
} from '@tercet/contracts';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

const residentBytes: MetricName = 'tercet_process_resident_bytes';
const cpuSeconds: MetricName = 'tercet_process_cpu_seconds_total';
/** Counters that have at most so many series, all known beforehand, begin at 0 instead of being absent. */
const knownSeriesMax = 16;

/** What one service counts and measures: every metric of the list that it exports, and no other. */
export class ServiceMetrics<Service extends ServiceName> {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #histograms = new Map<string, Histogram>();
  readonly #readings: (() => void)[] = [];

  constructor(service: Service) {
    for (const [name, metric] of Object.entries(metricList)) {
      if ((metric as Metric).exportedBy.includes(service)) this.#register(name, metric);
    }
  }

  count<Name extends MetricNameOf<Service, 'counter'>>(name: Name, labels: LabelsOf<Name>, by = 1): void {
    known(this.#counters, name).inc(labels, by);
  }

  /** For a counter that somebody else keeps: `total` is all there was since the process began. */
  countTo<Name extends MetricNameOf<Service, 'counter'>>(name: Name, labels: LabelsOf<Name>, total: number): void {
    const counter = known(this.#counters, name);
    counter.remove(labels);
    counter.inc(labels, total);
  }

  set<Name extends MetricNameOf<Service, 'gauge'>>(name: Name, labels: LabelsOf<Name>, value: number): void {
    known(this.#gauges, name).set(labels, value);
  }

  /** Forgets the series of a gauge whose labels name what is no more. */
  clear(name: MetricNameOf<Service, 'gauge'>): void {
    known(this.#gauges, name).reset();
  }

  observe<Name extends MetricNameOf<Service, 'histogram'>>(name: Name, labels: LabelsOf<Name>, value: number): void {
    known(this.#histograms, name).observe(labels, value);
  }

  /** Runs before each scrape, for what is read and not counted. */
  onScrape(read: () => void): void {
    this.#readings.push(read);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Text exposition of every metric. */
  async text(): Promise<string> {
    this.#readProcess();
    for (const read of this.#readings) read();
    return this.#registry.metrics();
  }

  /** What every process has. */
  #readProcess(): void {
    const { user, system } = process.cpuUsage();
    this.#gauges.get(residentBytes)?.set(process.memoryUsage.rss());
    this.#counters.get(cpuSeconds)?.reset();
    this.#counters.get(cpuSeconds)?.inc((user + system) / 1e6);
  }

  #register(name: string, metric: Metric): void {
    const { help, labels, buckets } = metric;
    const options = { name, help, labelNames: Object.keys(labels), registers: [this.#registry] };
    switch (metric.type) {
      case 'counter': {
        const counter = new Counter(options);
        for (const series of knownSeries(labels)) counter.inc(series, 0);
        this.#counters.set(name, counter);
        return;
      }
      case 'gauge': {
        const gauge = new Gauge(options);
        // Nothing was measured yet, and 0 would be a value.
        gauge.remove({});
        this.#gauges.set(name, gauge);
        return;
      }
      case 'histogram':
        this.#histograms.set(name, new Histogram({ ...options, buckets: [...buckets] }));
        return;
      default:
        metric.type satisfies never;
    }
  }
}

/** The types of the names let no other through. */
function known<Kind>(kinds: ReadonlyMap<string, Kind>, name: string): Kind {
  const kind = kinds.get(name);
  assert(kind !== undefined, 'a metric that this service does not export', { name });
  return kind;
}

/** Every combination of label values, when the sets are closed and small. */
function knownSeries(labels: Metric['labels']): Record<string, string>[] {
  let series: Record<string, string>[] = [{}];
  for (const [label, values] of Object.entries(labels)) {
    if (values === 'configured') return [];
    series = series.flatMap((known) => values.map((value) => ({ ...known, [label]: value })));
  }
  return series.length > knownSeriesMax ? [] : series;
}
