import { loadavg } from 'node:os';
import { Prng } from '@tercet/base';
import type { BenchOptions } from '../suite.js';
import { median } from '../suite.js';
import { seededPrompt } from '../workloads/prompts.js';
import {
  type Generate,
  type Generation,
  type GenerationTask,
  secondTokenMs,
  spread,
  steadyTokensPerS,
  totalTokensPerS,
  ttftMs,
} from './generation.js';

export interface CompareOptions {
  readonly system: Generate;
  readonly bare: Generate;
  readonly rounds: number;
  readonly seed: number;
  readonly say: BenchOptions['say'];
}

type Side = 'system' | 'bare';
const sides: readonly Side[] = ['system', 'bare'];
const promptWords = { throughput: 64, ttft: 32 };
const outputTokens = { throughput: 128, ttft: 4 };
const ttftRoundsFactor = 5;

/** The whole system against the engine alone: turn by turn, with the same prompts. */
export async function compareSides(options: CompareOptions): Promise<Record<string, number>> {
  const prng = new Prng(options.seed);
  await warmUp(options, prng);
  const ttft = await compareTtft(options, prng);
  const one = await compareDecode(options, prng, 1);
  const eight = await compareDecode(options, prng, 8);
  return { ...ttft, ...one, ...eight };
}

/** Until graphs are built, code is compiled and the numbers of threads are chosen. */
async function warmUp(options: CompareOptions, prng: Prng): Promise<void> {
  for (const side of sides) {
    for (const requests of [1, 8, 1]) await runTogether(options[side], prompts(prng, requests, 'throughput'));
  }
}

/** Time to the first token and from there to the second, one request at a time on an idle machine. */
async function compareTtft(options: CompareOptions, prng: Prng): Promise<Record<string, number>> {
  const { rounds, say } = options;
  const ttft: Record<Side, number[]> = { system: [], bare: [] };
  const second: Record<Side, number[]> = { system: [], bare: [] };
  for (let round = 0; round < rounds * ttftRoundsFactor; round++) {
    const tasks = prompts(prng, 1, 'ttft');
    for (const side of inTurn(round)) {
      const [generation] = await runTogether(options[side], tasks);
      ttft[side].push(ttftMs(generation as Generation));
      second[side].push(secondTokenMs(generation as Generation));
    }
  }
  const added = ttft.system.map((ms, round) => ms - (ttft.bare[round] ?? Number.NaN));
  say(`TTFT, ms: system ${spread(ttft.system)}, bare ${spread(ttft.bare)}, added ${spread(added)} ${load()}`);
  say(`first to second token, ms: system ${spread(second.system)}, bare ${spread(second.bare)}`);
  return {
    addedTtftMs: median(added),
    ttftMs: median(ttft.system),
    bareTtftMs: median(ttft.bare),
    secondTokenMs: median(second.system),
    bareSecondTokenMs: median(second.bare),
  };
}

async function compareDecode(options: CompareOptions, prng: Prng, requests: number): Promise<Record<string, number>> {
  const { rounds, say } = options;
  const steady: Record<Side, number[]> = { system: [], bare: [] };
  const total: Record<Side, number[]> = { system: [], bare: [] };
  for (let round = 0; round < rounds; round++) {
    const tasks = prompts(prng, requests, 'throughput');
    for (const side of inTurn(round)) {
      const generations = await runTogether(options[side], tasks);
      const rate = steadyTokensPerS(generations) ?? Number.NaN;
      if (Number.isNaN(rate)) say(`${side}: the ${requests} requests never decoded all at the same time`);
      steady[side].push(rate);
      total[side].push(totalTokensPerS(generations));
    }
  }
  const ratioOf = (rates: Record<Side, number[]>) => median(paired(rates).filter((ratio) => !Number.isNaN(ratio)));
  const rates = `system ${spread(steady.system)}, bare ${spread(steady.bare)}`;
  say(`${requests} at a time, decode tokens/s: ${rates} ${load()}`);
  say(`${requests} at a time, ratio by round: ${spread(paired(steady), 3)}`);
  say(`${requests} at a time, tokens/s with prompts: system ${spread(total.system)}, bare ${spread(total.bare)}`);
  return {
    [`httpDecodeRatio${requests}`]: ratioOf(steady),
    [`httpTotalRatio${requests}`]: ratioOf(total),
    [`decodeTokensPerS${requests}`]: median(steady.system),
    [`bareDecodeTokensPerS${requests}`]: median(steady.bare),
  };
}

/** Of each round, system by bare: what slows the machine for a while slows both of a round. */
function paired({ system, bare }: Record<Side, number[]>): number[] {
  return system.map((rate, round) => rate / (bare[round] as number));
}

/** Prompts that nobody sent before, so that no cache has them. */
function prompts(prng: Prng, count: number, kind: 'throughput' | 'ttft'): GenerationTask[] {
  return Array.from({ length: count }, () => ({
    prompt: seededPrompt(prng, promptWords[kind]),
    outputTokens: outputTokens[kind],
  }));
}

function inTurn(round: number): readonly Side[] {
  return round % 2 === 0 ? sides : sides.toReversed();
}

function runTogether(generate: Generate, tasks: readonly GenerationTask[]): Promise<Generation[]> {
  return Promise.all(tasks.map((task) => generate(task)));
}

/** What else the machine did. */
export function load(): string {
  return `(load ${loadavg()[0]?.toFixed(1)})`;
}
