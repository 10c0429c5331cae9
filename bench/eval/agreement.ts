// Question: does llama.cpp's server, with its own vision code, answer as our engine does from the same files?
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildLlamaServer, LlamaServer } from '../serving/llama-server.js';
import type { BenchOptions, BenchResult } from '../suite.js';
import { httpAsker } from './http-asker.js';
import { type EvalItem, readItems } from './items.js';
import { type Answered, isRight } from './score.js';
import { askAll, askEngine } from './tiny.js';

const home = fileURLToPath(new URL('../../models/tiny/', import.meta.url));
const shape = { cores: availableParallelism(), contextTokensMax: 512, slots: 8 };

/** Options: `--folder DIR` where the two GGUF files are, `--every N` each Nth question (5), `--different`. */
export async function run({ arguments: given, say }: BenchOptions): Promise<BenchResult> {
  const { values } = parseArgs({
    args: [...given],
    options: {
      folder: { type: 'string', default: home },
      every: { type: 'string', default: '5' },
      different: { type: 'boolean', default: false },
    },
  });
  const { folder } = values;
  const built = buildLlamaServer({ say });
  if (built.kind === 'missing') throw new Error(`llama-server: ${built.reason}`);
  const items = readItems(join(home, 'eval')).filter(({ id }) => id % Number(values.every) === 0);
  say(`${items.length} questions to both`);
  const ours = await askEngine(items, folder, shape.cores);
  const theirs = await askPeer(built.path, items, folder);
  const different = ours.filter(({ answer }, i) => answer.trim() !== theirs[i]?.answer.trim());
  if (values.different) for (const line of different) say(lineOf(line, theirs));
  const metrics = {
    questions: items.length,
    llamaCppAgreement: share(items.length - different.length, items.length),
    right: rightShare(ours),
    llamaCppRight: rightShare(theirs),
  };
  return { metrics, peer: { llamaServer: built.version } };
}

async function askPeer(path: string, items: readonly EvalItem[], folder: string): Promise<Answered[]> {
  const model = join(folder, 'tercet-tiny.gguf');
  const mmproj = join(folder, 'mmproj-tercet-tiny.gguf');
  await using server = await LlamaServer.start(path, { model, mmproj }, shape);
  return await askAll(items, httpAsker(server));
}

function lineOf({ item, answer }: Answered, theirs: readonly Answered[]): string {
  const other = theirs.find((each) => each.item === item)?.answer;
  return `${item.kind}: ${item.question} "${answer}", llama.cpp "${other}", right "${item.answer}"`;
}

function rightShare(answered: readonly Answered[]): number {
  return share(answered.filter(({ item, answer }) => isRight(item, answer)).length, answered.length);
}

function share(part: number, all: number): number {
  return Math.round((1000 * part) / all) / 1000;
}
