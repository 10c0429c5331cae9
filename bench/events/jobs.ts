// Question: does every line of every batch get exactly one result, whatever dies meanwhile? Batches run on a whole
// system while its gateway and its stages are killed at random, and its Kafka where it has one; in the end each line is
// looked for in the result files.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Prng } from '@tercet/base';
import { WholeSystem } from '../serving/whole-system.js';
import type { BenchOptions, BenchResult } from '../suite.js';
import { Batches, type SubmittedBatch } from './batches.js';

export interface JobsOptions extends Pick<BenchOptions, 'say'> {
  readonly kills: number;
  readonly seed: number;
  /** Settings of the event log; absent: the system's own file. */
  readonly events?: object;
  /** What else happens meanwhile, told of each kill; what it returns is awaited before the batches are. */
  onKill?(done: number): Promise<void> | undefined;
  /** Looks at the system when every batch is over. */
  afterwards?(system: WholeSystem, batches: readonly SubmittedBatch[]): Promise<void>;
}

export interface JobsResult {
  readonly kills: number;
  readonly jobs: number;
  readonly lines: number;
  /** Lines without a result, and batches that were acknowledged and are not there. */
  readonly jobsLost: number;
  /** Results beyond the first of a line. */
  readonly jobsDuplicated: number;
  /** Lines whose one result is a failure. */
  readonly linesFailed: number;
}

const home = fileURLToPath(new URL('../../models/tiny/', import.meta.url));
const shape = { cores: 2, contextTokensMax: 1024, slots: 8 };
const processes = { encode: 1, prefill: 2, decode: 2 };
const linesPerBatch = 40;
const underWay = 2;
const killEveryMs = { least: 500, more: 3000 };
/** The supervisor gives up on a process that dies so often within 30 s of its starts; this bench is not about that. */
const wellAfterMs = 45_000;
const earlyDeathsMax = 4;

/** Options: `--kills=N` (50), `--seed=N`. */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({ args: [...given], options: { kills: text('50'), seed: text('1') } });
  const metrics = await runJobs({ kills: Number(values.kills), seed: Number(values.seed), say });
  return { metrics: { ...metrics }, peer: { seed: values.seed, node: process.version } };
}

export async function runJobs(options: JobsOptions): Promise<JobsResult> {
  const { kills, seed, say, events, afterwards } = options;
  const files = { model: join(home, 'tercet-tiny.gguf'), mmproj: join(home, 'mmproj-tercet-tiny.gguf') };
  const log = events === undefined ? {} : { events };
  await using system = await WholeSystem.start({ name: 'tercet-tiny', ...files }, shape, { ...processes, ...log });
  const batches = new Batches(system);
  const submitted: SubmittedBatch[] = [];
  const stop = new AbortController();
  const killing = killAtRandom(system, new Prng(seed), options).finally(() => stop.abort());
  while (!stop.signal.aborted) {
    const open = await batches.countUnderWay(submitted);
    if (open < underWay) submitted.push(await batches.submit(submitted.length, linesPerBatch));
    await sleep(200);
  }
  await killing;
  say(`${kills} processes killed; ${submitted.length} batches`);
  await batches.untilAllOver(submitted);
  const found = await Promise.all(submitted.map((batch) => batches.resultsOf(batch)));
  const sum = (of: (results: (typeof found)[number]) => number) => found.reduce((total, each) => total + of(each), 0);
  await afterwards?.(system, submitted);
  return {
    kills,
    jobs: submitted.length,
    lines: submitted.length * linesPerBatch,
    jobsLost: sum(({ missing }) => missing),
    jobsDuplicated: sum(({ repeated }) => repeated),
    linesFailed: sum(({ failed }) => failed),
  };
}

/** Kills one process after another, each as likely as the others. */
async function killAtRandom(
  system: WholeSystem,
  prng: Prng,
  { kills, say, onKill }: Pick<JobsOptions, 'kills' | 'say' | 'onKill'>,
): Promise<void> {
  const deaths = new Map<string, { readonly ms: number; readonly early: number }>();
  const besides: (Promise<void> | undefined)[] = [];
  for (let done = 0; done < kills; ) {
    await sleep(killEveryMs.least + prng.nextFloat() * killEveryMs.more);
    const now = performance.now();
    const alive = [...system.processes].filter(([name]) => name !== 'supervisor' && !name.startsWith('starting'));
    const mayDie = alive.filter(([name]) => {
      const last = deaths.get(name);
      return last === undefined || last.early < earlyDeathsMax || now - last.ms > wellAfterMs;
    });
    const victim = mayDie[prng.nextBelow(mayDie.length)];
    if (victim === undefined) continue;
    const [name, pid] = victim;
    const last = deaths.get(name);
    const isEarly = last === undefined || now - last.ms < wellAfterMs;
    deaths.set(name, { ms: now, early: isEarly ? (last?.early ?? 0) + 1 : 1 });
    process.kill(pid, 'SIGKILL');
    done++;
    besides.push(onKill?.(done));
    if (done % 10 === 0) say(`${done} of ${kills} kills`);
  }
  await Promise.all(besides);
}
