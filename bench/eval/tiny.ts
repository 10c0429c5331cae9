// Question: how many held-out questions does a small vision model answer rightly, by kind? The pictures, glyphs, words
// and phrasings are in models/tiny/eval; training sees none of them.
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { BenchOptions, BenchResult } from '../suite.js';
import { EngineAsker } from './engine-asker.js';
import { httpAsker } from './http-asker.js';
import { type Ask, type EvalItem, readItems } from './items.js';
import { type Answered, isRight, sharesOf } from './score.js';

const home = fileURLToPath(new URL('../../models/tiny/', import.meta.url));
/** Questions under way at a time: they share decode steps. */
const parallel = 8;
/** Kinds of the acceptance bars come first. */
const order = ['color', 'shape', 'count', 'relation', 'digits', 'digitEach', 'word', 'textOnly'];

/**
 * Options: `--url URL` asks a running gateway instead of the engine, `--model NAME` its model, `--folder DIR` where
 * the two GGUF files are, `--threads N`, `--every N` only each Nth question, `--wrong` prints wrong answers, `--answers
 * FILE` writes all.
 */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const { values } = parseArgs({
    args: [...given],
    options: {
      url: { type: 'string' },
      model: { type: 'string', default: 'tercet-tiny' },
      folder: { type: 'string', default: home },
      threads: { type: 'string', default: String(Math.min(4, availableParallelism())) },
      every: { type: 'string', default: '1' },
      wrong: { type: 'boolean', default: false },
      answers: { type: 'string' },
    },
  });
  const items = readItems(join(home, 'eval')).filter(({ id }) => id % Number(values.every) === 0);
  const { url, model, folder } = values;
  say(`${items.length} questions to ${url ?? 'the engine'}`);
  const answered = url === undefined ? await askEngine(items, folder, Number(values.threads)) : [];
  if (url !== undefined) answered.push(...(await askAll(items, httpAsker({ url, model }))));
  if (values.answers !== undefined) writeFileSync(values.answers, answered.map(answerLine).join('\n'));
  if (values.wrong) for (const line of wrongOf(answered)) say(line);
  return { metrics: ordered(sharesOf(answered)), peer: { questions: String(items.length), asked: url ?? 'engine' } };
}

/** Answers of the engine alone, with the two files of a folder. */
export async function askEngine(items: readonly EvalItem[], folder: string, threads: number): Promise<Answered[]> {
  const modelPath = join(folder, 'tercet-tiny.gguf');
  const mmprojPath = join(folder, 'mmproj-tercet-tiny.gguf');
  await using asker = new EngineAsker({ modelPath, mmprojPath, threads });
  return await askAll(items, asker.ask);
}

/** Answers in the order of the items. */
export async function askAll(items: readonly EvalItem[], ask: Ask): Promise<Answered[]> {
  const answered: Answered[] = [];
  const waiting = items.entries();
  const work = async () => {
    for (const [index, item] of waiting) answered[index] = { item, answer: await ask(item) };
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return answered;
}

function answerLine({ item, answer }: Answered): string {
  return JSON.stringify({ id: item.id, answer });
}

function wrongOf(answered: readonly Answered[]): string[] {
  const wrong = answered.filter(({ item, answer }) => !isRight(item, answer));
  return wrong.map(({ item, answer }) => {
    const { kind, question, answer: right, images } = item;
    return `${kind}: ${question} "${answer}" is not "${right}" ${images.map(({ name }) => name).join(' ')}`;
  });
}

function ordered(shares: Record<string, number>): Record<string, number> {
  const rest = Object.keys(shares).filter((kind) => !order.includes(kind));
  const kinds = [...order.filter((kind) => kind in shares), ...rest.sort()];
  return Object.fromEntries(kinds.map((kind) => [kind, shares[kind] as number]));
}
