import { createInterface } from 'node:readline';
import { type ExitCode, exitCodes, explain } from '../terminal/failure.js';
import { interruption } from '../terminal/signals.js';
import type { Terminal } from '../terminal/terminal.js';
import type { Conversation } from './conversation.js';
import type { MessagePart } from './gateway-api.js';
import { pictureOf } from './picture.js';

export interface InteractiveOptions {
  readonly terminal: Terminal;
  readonly conversation: Conversation;
  /** Sent with the first question. */
  readonly images: readonly MessagePart[];
  readonly timings: boolean;
  readonly system: string | undefined;
}

const commands = `  /image FILE   send a picture with the next question
  /timings      show or hide how the time was spent
  /new          start over
  /bye          leave, as Ctrl-C or Ctrl-D
`;

/** A conversation, line by line, until the input ends. From a pipe every line is a question. */
export async function interactiveChat(options: InteractiveOptions): Promise<ExitCode> {
  const { terminal, conversation } = options;
  const { note } = terminal;
  const state: State = { images: [...options.images], timings: options.timings, ending: exitCodes.done };
  const isPerson = process.stdin.isTTY === true;
  // One Ctrl-C may arrive several times, handed on by the processes that started this one; the answer that it was meant
  // for may be over by then. At the prompt Ctrl-C is a key and no signal.
  if (isPerson) process.on('SIGINT', () => {});
  if (isPerson) note.write(note.colours.dim(`${conversation.model}. /help shows the commands.\n`));
  for await (const line of isPerson ? typedLines(terminal) : pipedLines()) {
    const text = line.trim();
    if (text === '/bye' || text === '/exit' || text === '/quit') break;
    if (text === '') continue;
    using stop = interruption();
    const ending = await answerLine(text, { ...options, state, signal: stop.signal }).catch((error) =>
      explain(terminal, error),
    );
    state.ending = ending;
    if (stop.signal.aborted && !isPerson) return exitCodes.interrupted;
  }
  return isPerson ? exitCodes.done : state.ending;
}

interface State {
  images: MessagePart[];
  timings: boolean;
  /** How the last question ended: what a script wants to know. */
  ending: ExitCode;
}

async function answerLine(
  text: string,
  { terminal, conversation, state, system, signal }: InteractiveOptions & { state: State; signal: AbortSignal },
): Promise<ExitCode> {
  const { note } = terminal;
  const [command, argument] = splitCommand(text);
  if (command === '/image') {
    state.images.push(await pictureOf(argument));
    note.write(note.colours.dim(`${state.images.length} to send with the next question\n`));
  } else if (command === '/new') {
    conversation.begin(system);
    state.images = [];
  } else if (command === '/timings') {
    state.timings = !state.timings;
    note.write(note.colours.dim(`timings ${state.timings ? 'on' : 'off'}\n`));
  } else if (command !== undefined) {
    note.write(commands);
  } else {
    await conversation.ask({ question: text, images: state.images, timings: state.timings }, signal);
    state.images = [];
  }
  return exitCodes.done;
}

/** `/word rest` as a command; any other text, a path with slashes included, is a question. */
function splitCommand(text: string): [string | undefined, string] {
  const [, command, argument] = /^(\/[a-z?]+)(?:\s+(.*))?$/.exec(text) ?? [];
  return [command, unquoted(argument ?? '')];
}

/** A path as a terminal pastes a dropped file: in quotes, or with spaces after backslashes. */
function unquoted(path: string): string {
  const trimmed = path.trim();
  const quoted = /^(['"])(.*)\1$/.exec(trimmed)?.[2];
  return quoted ?? trimmed.replace(/\\(.)/g, '$1');
}

/**
 * Lines that a person types. The terminal is in its usual mode while an answer runs, so that Ctrl-C is a signal then.
 */
async function* typedLines({ note }: Terminal): AsyncGenerator<string> {
  let history: string[] = [];
  for (;;) {
    const lines = createInterface({ input: process.stdin, output: process.stderr, history, terminal: true });
    lines.on('history', (entries: string[]) => {
      history = [...entries];
    });
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    lines.on('SIGINT', () => resolve(undefined)).on('close', () => resolve(undefined));
    lines.question(note.colours.bold('> '), resolve);
    const line = await promise;
    lines.close();
    if (line === undefined) {
      note.write('\n');
      return;
    }
    yield line;
  }
}

async function* pipedLines(): AsyncGenerator<string> {
  yield* createInterface({ input: process.stdin, terminal: false });
}
