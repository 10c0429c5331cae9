// Question: do costs that are fitted to the load reports of one run tell how long the steps of another run take? A
// whole system answers questions about pictures at random times, first to fit, then with other pictures to compare.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type StageName, stageNames } from '@tercet/allocation';
import { Prng } from '@tercet/base';
import { StageFits } from '@tercet/cost-model';
import { readItems } from '../eval/items.js';
import { WholeSystem } from '../serving/whole-system.js';
import type { BenchOptions, BenchResult } from '../suite.js';
import { answerOf, type Question, questionsOf } from '../switch/questions.js';
import { type Step, WorkWatch } from './work-watch.js';

const home = fileURLToPath(new URL('../../models/tiny/', import.meta.url));
const shape = { cores: 2, contextTokensMax: 1024, slots: 16 };
/** Until graphs are built, code is compiled and the numbers of threads are chosen. */
const warmUpRequests = 40;

/** Options: `--rps=N` of open-loop load (6), `--seconds=N` of each run (20), `--seed=N`. */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({ args: [...given], options: { rps: text('6'), seconds: text('20'), seed: text('1') } });
  const prng = new Prng(Number(values.seed));
  const questions = questionsOf(shuffled(prng, readItems(join(home, 'eval'))));
  const model = {
    name: 'tercet-tiny',
    model: join(home, 'tercet-tiny.gguf'),
    mmproj: join(home, 'mmproj-tercet-tiny.gguf'),
  };
  await using system = await WholeSystem.start(model, shape);
  await using watch = new WorkWatch(system.stages.map(({ endpoint }) => endpoint));
  for (const question of questions.splice(0, warmUpRequests)) await ask(system, question);
  watch.take();
  const load = { rps: Number(values.rps), durationMs: Number(values.seconds) * 1000, prng, questions };
  await underLoad(system, load);
  const first = watch.take();
  await underLoad(system, load);
  const second = watch.take();
  const fits = new StageFits();
  for (const { stage, features, ms } of first) fits.add(stage, features, ms);
  const metrics = stageNames.flatMap((stage) => Object.entries(compare(stage, { fits, first, second }, say)));
  return {
    metrics: Object.fromEntries(metrics),
    peer: { ...values, model: model.name, node: process.version },
  };
}

/** How far the mean step of the second run is from what the fit to the first says of the same steps. */
function compare(
  stage: StageName,
  runs: { readonly fits: StageFits; readonly first: readonly Step[]; readonly second: readonly Step[] },
  say: BenchOptions['say'],
): Record<string, number> {
  const fitted = runs.fits.of(stage);
  const [before, steps] = [runs.first, runs.second].map((run) => run.filter((step) => step.stage === stage));
  if (fitted === undefined || before === undefined || steps === undefined || steps.length === 0) {
    throw new Error(`too few ${stage} steps to fit: ${before?.length} and ${steps?.length}`);
  }
  const { coefficients, relativeError } = fitted;
  const predicted = mean(steps.map(({ features }) => dot(features, coefficients)));
  const measured = mean(steps.map(({ ms }) => ms));
  const shown = coefficients.map((value) => value.toPrecision(3)).join(', ');
  say(
    `${stage}: ${before.length} steps give [${shown}], relative error ${relativeError.toFixed(2)}; ` +
      `${steps.length} more took ${measured.toFixed(3)} ms, predicted ${predicted.toFixed(3)} ms`,
  );
  return {
    [`${stage}Steps`]: steps.length,
    [`${stage}StepMs`]: round(measured),
    [`${stage}Error`]: round(Math.abs(predicted / measured - 1)),
  };
}

async function underLoad(
  system: WholeSystem,
  load: { readonly rps: number; readonly durationMs: number; readonly prng: Prng; readonly questions: Question[] },
): Promise<void> {
  const { rps, durationMs, prng, questions } = load;
  const running: Promise<void>[] = [];
  const untilMs = performance.now() + durationMs;
  while (performance.now() < untilMs) {
    const question = questions.pop();
    if (question === undefined) throw new Error('more requests than there are questions');
    running.push(ask(system, question));
    await sleep((-Math.log(1 - prng.nextFloat()) * 1000) / rps);
  }
  await Promise.all(running);
}

async function ask(system: WholeSystem, question: Question): Promise<void> {
  const { error } = await answerOf(system, question);
  if (error !== undefined) throw new Error(error);
}

function shuffled<T>(prng: Prng, items: readonly T[]): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = prng.nextBelow(i + 1);
    [order[i], order[j]] = [order[j] as T, order[i] as T];
  }
  return order;
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
