// Question: does a process change its stage under load without a request lost or a text changed, and how soon does it
// serve the new one? A whole system of six processes answers questions about pictures while its roles are switched in
// all six directions; every answer is compared with the one that a system at rest gave to the same request.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Prng } from '@tercet/base';
import { type EvalItem, readItems } from '../eval/items.js';
import { WholeSystem } from '../serving/whole-system.js';
import { type BenchOptions, type BenchResult, median } from '../suite.js';
import { type Answer, answerOf, type Question, questionsOf } from './questions.js';
import { type Switched, Switcher } from './switcher.js';

const home = fileURLToPath(new URL('../../models/tiny/', import.meta.url));
const shape = { cores: 2, contextTokensMax: 1024, slots: 8 };
const processes = { encode: 2, prefill: 2, decode: 2 };
const distinct = 40;

interface Settings {
  readonly switches: number;
  readonly rps: number;
  readonly pauseMs: number;
  readonly seed: number;
}

/** Options: `--switches=N` (200), `--rps=N` of open-loop load (20), `--pause-ms=N` between two (100), `--seed=N`. */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const settings = settingsOf(given);
  const prng = new Prng(settings.seed);
  const questions = questionsOf(pick(prng, readItems(join(home, 'eval'))));
  const model = {
    name: 'tercet-tiny',
    model: join(home, 'tercet-tiny.gguf'),
    mmproj: join(home, 'mmproj-tercet-tiny.gguf'),
  };
  await using system = await WholeSystem.start(model, shape, processes);
  const expected = await atRest(system, questions);
  say(`${questions.length} requests answered at rest`);
  using switcher = new Switcher(system, prng);
  const stop = new AbortController();
  const load = underLoad({ system, questions, expected, prng, rps: settings.rps, signal: stop.signal });
  const switched: Switched[] = [];
  for (let i = 0; i < settings.switches; i++) {
    const last = await switcher.next();
    switched.push(last);
    if (last.drainMs > 2000) say(`${last.from} to ${last.to} drained for ${Math.round(last.drainMs)} ms`);
    if ((i + 1) % 20 === 0) say(`${i + 1} of ${settings.switches} switches`);
    await sleep(settings.pauseMs);
  }
  stop.abort();
  const answered = await load;
  for (const { why } of answered.filter(({ kind }) => kind !== 'same').slice(0, 5)) say(String(why));
  const refused = switched.filter(({ error }) => error !== undefined);
  for (const { error } of refused.slice(0, 5)) say(`a switch failed: ${error}`);
  const done = switched.filter(({ error }) => error === undefined);
  const spread = (name: string, values: readonly number[]) => ({
    [`${name}P50`]: round(median(values)),
    [`${name}P99`]: round(percentile(values, 0.99)),
  });
  return {
    metrics: {
      switches: done.length,
      failedSwitches: refused.length,
      directions: new Set(done.map(({ from, to }) => `${from} ${to}`)).size,
      ...spread(
        'switchMs',
        done.map(({ switchMs }) => switchMs),
      ),
      ...spread(
        'drainMs',
        done.map(({ drainMs }) => drainMs),
      ),
      ...spread(
        'usableMs',
        done.map(({ usableMs }) => usableMs),
      ),
      requests: answered.length,
      lost: answered.filter(({ kind }) => kind === 'lost').length,
      changed: answered.filter(({ kind }) => kind === 'changed').length,
    },
    peer: { ...settingsText(settings), node: process.version },
  };
}

/** Of each question that is not the same picture again, as many as there are; long answers among them. */
function pick(prng: Prng, items: readonly EvalItem[]): EvalItem[] {
  return Array.from({ length: distinct }, () => items[prng.nextBelow(items.length)] as EvalItem);
}

async function atRest(system: WholeSystem, questions: readonly Question[]): Promise<string[]> {
  const texts: string[] = [];
  for (const question of questions) {
    const answer = await answerOf(system, question);
    if (answer.error !== undefined) throw new Error(`at rest: ${answer.error}`);
    texts.push(answer.text);
  }
  return texts;
}

interface Load {
  readonly system: WholeSystem;
  readonly questions: readonly Question[];
  readonly expected: readonly string[];
  readonly prng: Prng;
  readonly rps: number;
  readonly signal: AbortSignal;
}

interface Compared {
  readonly kind: 'same' | 'changed' | 'lost';
  readonly why?: string;
}

/** Sends requests at random times, whether earlier ones have ended or not, until the signal. */
async function underLoad({ system, questions, expected, prng, rps, signal }: Load): Promise<Compared[]> {
  const running: Promise<Compared>[] = [];
  while (!signal.aborted) {
    const index = prng.nextBelow(questions.length);
    const answer = answerOf(system, questions[index] as Question);
    running.push(answer.then((got) => compare(got, expected[index] as string)));
    await sleep((-Math.log(1 - prng.nextFloat()) * 1000) / rps);
  }
  return await Promise.all(running);
}

function compare({ text, error }: Answer, expected: string): Compared {
  if (error !== undefined) return { kind: 'lost', why: `lost: ${error}` };
  return text === expected ? { kind: 'same' } : { kind: 'changed', why: `changed: "${text}" is not "${expected}"` };
}

function settingsOf(given: readonly string[]): Settings {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const options = { switches: text('200'), rps: text('20'), 'pause-ms': text('100'), seed: text('1') };
  const { values } = parseArgs({ args: [...given], options });
  const { switches, rps, seed } = values;
  return { switches: Number(switches), rps: Number(rps), pauseMs: Number(values['pause-ms']), seed: Number(seed) };
}

function settingsText(settings: Settings): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
