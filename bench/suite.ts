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
}

/** The middle of the values; the mean of the two middle ones when their count is even. NaN without values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
