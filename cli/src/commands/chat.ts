import { text as readAll } from 'node:stream/consumers';
import { Command } from 'commander';
import { apiKey, defaultUrl } from '../config.js';
import { CommandFailure, type ExitCode, exitCodes, runCommand } from '../terminal/failure.js';
import { interruption } from '../terminal/signals.js';
import type { Terminal } from '../terminal/terminal.js';
import { Conversation, type GenerationOptions } from './conversation.js';
import { type GatewayAddress, listModels } from './gateway-api.js';
import { interactiveChat } from './interactive-chat.js';
import { collect, numberFrom, wholeFrom } from './options.js';
import { pictureOf } from './picture.js';

const help = `
Examples:
  tercet chat "What can you see?" --image photo.jpg
  tercet chat --image left.png --image right.png "Which picture has more circles?"
  tercet chat --timings "Hello"
  tercet chat                           a conversation; /help shows its commands
  git diff | tercet chat -              the question comes from standard input

The answer goes to standard output, everything else to standard error.
Ctrl-C stops the answer; where none runs, it leaves.
Environment: TERCET_URL, TERCET_API_KEY, NO_COLOR.
`;

interface Options {
  readonly image?: readonly string[];
  readonly url: string;
  readonly model?: string;
  readonly system?: string;
  readonly temperature?: number;
  readonly maxTokens?: number;
  readonly seed?: number;
  readonly timings?: true;
}

/** `tercet chat`: one question and its answer, or a conversation. */
export function chatCommand(terminal: Terminal): Command {
  return new Command('chat')
    .description('Ask a running server, about pictures or without them.')
    .argument('[question...]', 'what to ask; `-` reads it from standard input; none starts a conversation')
    .option('-i, --image <file>', 'picture to send: a file or an address; may be given several times', collect)
    .option('-m, --model <name>', 'model that answers (default: the first of the server that can)')
    .option('-s, --system <text>', 'what the model is told before the conversation')
    .option('-t, --temperature <n>', '0 always takes the likeliest token', numberFrom(0, 2))
    .option('--max-tokens <n>', 'longest answer', wholeFrom(1))
    .option('--seed <n>', 'the same seed gives the same answer', wholeFrom(0))
    .option('--timings', 'show how the time of the answer was spent, stage by stage')
    .option('--url <address>', 'server to ask', defaultUrl())
    .addHelpText('after', help)
    .action((words: string[], options: Options) => runCommand(terminal, () => chat(terminal, words, options)));
}

async function chat(terminal: Terminal, words: readonly string[], options: Options): Promise<ExitCode> {
  const images = await Promise.all((options.image ?? []).map(pictureOf));
  const question = await questionOf(words);
  using stop = interruption();
  const address = { url: options.url, apiKey: apiKey() };
  const model = options.model ?? (await chooseModel(address, images.length > 0, stop.signal));
  const conversation = new Conversation({ terminal, address, model, generation: generationOf(options) });
  if (options.system !== undefined) conversation.begin(options.system);
  const timings = options.timings === true;
  if (question === undefined) {
    stop[Symbol.dispose]();
    return interactiveChat({ terminal, conversation, images, timings, system: options.system });
  }
  await conversation.ask({ question, images, timings }, stop.signal);
  return stop.signal.aborted ? exitCodes.interrupted : exitCodes.done;
}

async function questionOf(words: readonly string[]): Promise<string | undefined> {
  if (words.length === 0) return undefined;
  const question = words.length === 1 && words[0] === '-' ? await readAll(process.stdin) : words.join(' ');
  if (question.trim() !== '') return question.trimEnd();
  throw new CommandFailure('the question is empty', { exitCode: exitCodes.usage });
}

/** The first model that fits: with pictures, the first that sees. */
async function chooseModel(address: GatewayAddress, withImages: boolean, signal: AbortSignal): Promise<string> {
  const models = await listModels(address, signal);
  const chosen = models.find(({ acceptsImages }) => acceptsImages || !withImages) ?? models[0];
  if (chosen !== undefined) return chosen.name;
  throw new CommandFailure(`${address.url} serves no model`, { advice: 'start it with `tercet up --model NAME`' });
}

function generationOf({ temperature, maxTokens, seed }: Options): GenerationOptions {
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(seed === undefined ? {} : { seed }),
  };
}
