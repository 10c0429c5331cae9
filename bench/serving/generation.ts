import { median } from '../suite.js';

/** One request as its client saw it; times of `performance.now()`. */
export interface Generation {
  readonly sentMs: number;
  /** Arrival of each token. */
  readonly tokensMs: readonly number[];
}

/** What is asked of every system: so many tokens, greedy, whatever the text says. */
export interface GenerationTask {
  /** Text, or token ids as they are. */
  readonly prompt: string | readonly number[];
  readonly outputTokens: number;
}

export type Generate = (task: GenerationTask) => Promise<Generation>;

export function ttftMs({ sentMs, tokensMs }: Generation): number {
  return (tokensMs[0] ?? Number.NaN) - sentMs;
}

/** Mean time of a token after the first; undefined for an answer of one token. */
export function tpotMs({ tokensMs }: Generation): number | undefined {
  const count = tokensMs.length - 1;
  return count < 1 ? undefined : ((tokensMs.at(-1) ?? 0) - (tokensMs[0] ?? 0)) / count;
}

/** From the first token to the second: in a system of stages, the hand-over is in it. */
export function secondTokenMs({ tokensMs }: Generation): number {
  return (tokensMs[1] ?? Number.NaN) - (tokensMs[0] ?? Number.NaN);
}

/**
 * Tokens per second while all the requests decode: from the last first token to the first end. `undefined` when they
 * never decoded all at the same time.
 */
export function steadyTokensPerS(generations: readonly Generation[]): number | undefined {
  const fromMs = Math.max(...generations.map(({ tokensMs }) => tokensMs[0] ?? Number.NaN));
  const untilMs = Math.min(...generations.map(({ tokensMs }) => tokensMs.at(-1) ?? Number.NaN));
  if (!(untilMs > fromMs)) return undefined;
  const counted = generations.map(({ tokensMs }) => tokensMs.filter((ms) => ms > fromMs && ms <= untilMs).length);
  return (counted.reduce((sum, count) => sum + count, 0) * 1000) / (untilMs - fromMs);
}

/** Tokens per second from the first request's start to the last one's end: prompts are in it. */
export function totalTokensPerS(generations: readonly Generation[]): number {
  const fromMs = Math.min(...generations.map(({ sentMs }) => sentMs));
  const untilMs = Math.max(...generations.map(({ tokensMs }) => tokensMs.at(-1) ?? Number.NaN));
  return (generations.reduce((sum, { tokensMs }) => sum + tokensMs.length, 0) * 1000) / (untilMs - fromMs);
}

/** Median with the first and third quartile, as text. */
export function spread(values: readonly number[], digits = 1): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN).toFixed(digits);
  return `${median(values).toFixed(digits)} (${at(0.25)} to ${at(0.75)})`;
}
