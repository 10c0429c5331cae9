/** What every bench suite exports: one question, answered with numbers from one run. */
export interface BenchSuite {
  run(options: BenchOptions): Promise<BenchResult>;
}

export interface BenchOptions {
  /** What the command line says after the suite's name, without `--json`. */
  readonly arguments: readonly string[];
  /** Progress for the person who waits; never part of the result. */
  say(line: string): void;
}

export interface BenchResult {
  readonly metrics: Readonly<Record<string, number>>;
  /** Version and settings of every system that ran beside ours. */
  readonly peer: Readonly<Record<string, string>>;
  /** Why a metric of the suite has no number in this run, by its name. */
  readonly omitted?: Readonly<Record<string, string>>;
}

/** A result whose every metric is a number: what could not be measured is left out, and said to be. */
export function onlyMeasured({ metrics, peer, omitted = {} }: BenchResult): BenchResult {
  const entries = Object.entries(metrics);
  const missing = entries.filter(([, value]) => !Number.isFinite(value)).map(([name]) => name);
  const reasons = Object.fromEntries(missing.map((name) => [name, omitted[name] ?? 'not measured in this run']));
  const all = { ...omitted, ...reasons };
  return {
    metrics: Object.fromEntries(entries.filter(([, value]) => Number.isFinite(value))),
    peer,
    ...(Object.keys(all).length === 0 ? {} : { omitted: all }),
  };
}

/** The middle of the values; the mean of the two middle ones when their count is even. NaN without values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
