import {
  type LabelsOf,
  type MetricName,
  type MetricNameOf,
  metricList,
  metricOf,
  type ServiceName,
} from '@tercet/contracts';

/** Conditions on the labels that a metric has. */
export type Matchers<Name extends MetricName> = { readonly [Label in keyof LabelsOf<Name>]?: Condition };

/** As it stands behind a label: `="ok"`. */
type Condition = `${'=' | '!=' | '=~' | '!~'}"${string}"`;

type Counter = MetricNameOf<ServiceName, 'counter'>;
type Histogram = MetricNameOf<ServiceName, 'histogram'>;

/** Where the queries of a dashboard or a rule look. */
export interface QueryScope {
  /** Window of rates, for example `5m`. */
  readonly window: string;
  /** Condition on a label of every metric that has it; `namespace` and `pod` come from the scrape and are on all. */
  readonly labels: Readonly<Record<string, Condition>>;
}

const scrapeLabels = ['namespace', 'pod'];

export function is(value: string): Condition {
  return `="${value}"`;
}

export function isNot(value: string): Condition {
  return `!="${value}"`;
}

/** One of these values, none of which has a character that a pattern would read as more than itself. */
export function oneOf(values: readonly string[]): Condition {
  return `=~"${values.join('|')}"`;
}

/** Writes queries over metrics of the list; a name or a label that is not there is an error of types. */
export class PromQl {
  readonly #scope: QueryScope;

  constructor(scope: QueryScope) {
    this.#scope = scope;
  }

  /** Another window, the same labels. */
  over(window: string): PromQl {
    return new PromQl({ ...this.#scope, window });
  }

  /** The series of a metric: `name{label="value"}`. */
  series<Name extends MetricName>(name: Name, matchers: Matchers<Name> = {}): string {
    return this.#select(name, '', matchers);
  }

  sum<Name extends MetricName>(name: Name, by: readonly string[], matchers: Matchers<Name> = {}): string {
    return `sum${grouped(by)} (${this.series(name, matchers)})`;
  }

  max<Name extends MetricName>(name: Name, by: readonly string[], matchers: Matchers<Name> = {}): string {
    return `max${grouped(by)} (${this.series(name, matchers)})`;
  }

  min<Name extends MetricName>(name: Name, by: readonly string[], matchers: Matchers<Name> = {}): string {
    return `min${grouped(by)} (${this.series(name, matchers)})`;
  }

  /** Per second. */
  rate<Name extends Counter>(name: Name, by: readonly string[], matchers: Matchers<Name> = {}): string {
    return `sum${grouped(by)} (rate(${this.#select(name, '', matchers)}[${this.#scope.window}]))`;
  }

  /** In the window. */
  increase<Name extends Counter>(name: Name, by: readonly string[], matchers: Matchers<Name> = {}): string {
    return `sum${grouped(by)} (increase(${this.#select(name, '', matchers)}[${this.#scope.window}]))`;
  }

  /** Of what a histogram saw in the window. */
  quantile<Name extends Histogram>(
    quantile: number,
    name: Name,
    { by = [], matchers = {} }: { by?: readonly string[]; matchers?: Matchers<Name> } = {},
  ): string {
    const buckets = `rate(${this.#select(name, '_bucket', matchers)}[${this.#scope.window}])`;
    return `histogram_quantile(${quantile}, sum${grouped(['le', ...by])} (${buckets}))`;
  }

  /** Of what a histogram saw in the window. */
  mean<Name extends Histogram>(name: Name, by: readonly string[], matchers: Matchers<Name> = {}): string {
    const rate = (suffix: string) =>
      `sum${grouped(by)} (rate(${this.#select(name, suffix, matchers)}[${this.#scope.window}]))`;
    return `${rate('_sum')} / ${rate('_count')}`;
  }

  /** How many values fell into each bucket, for a heat map. */
  buckets<Name extends Histogram>(name: Name, matchers: Matchers<Name> = {}): string {
    return `sum by (le) (increase(${this.#select(name, '_bucket', matchers)}[${this.#scope.window}]))`;
  }

  #select(name: MetricName, suffix: string, matchers: Readonly<Record<string, Condition | undefined>>): string {
    const known = [...scrapeLabels, ...Object.keys(metricOf(name).labels)];
    const scoped = Object.entries(this.#scope.labels).filter(([label]) => known.includes(label));
    const conditions = { ...Object.fromEntries(scoped), ...matchers };
    const text = Object.entries(conditions).map(([label, condition]) => `${label}${condition}`);
    return `${name}${suffix}${text.length === 0 ? '' : `{${text.join(', ')}}`}`;
  }
}

function grouped(by: readonly string[]): string {
  return by.length === 0 ? '' : ` by (${by.join(', ')})`;
}

/** Metrics that a query asks for. Names of ours that are in no list come as they stand. */
export function metricNamesIn(query: string): string[] {
  const words = query.match(/\btercet_[a-z_]+/g) ?? [];
  return [...new Set(words.map((word) => [word, word.replace(/_(bucket|sum|count)$/, '')].find(isListed) ?? word))];
}

function isListed(name: string): name is MetricName {
  return Object.hasOwn(metricList, name);
}
