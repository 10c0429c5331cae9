import { toTercetError } from '@tercet/contracts';
import { printable, type Terminal } from './terminal.js';

/** What the command ends with; scripts may rely on these. */
export const exitCodes = { done: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** A failure that the command itself explains, with what a person can do about it. */
export class CommandFailure extends Error {
  readonly exitCode: ExitCode;
  readonly code: string | undefined;
  readonly advice: string | undefined;

  constructor(
    message: string,
    options: { exitCode?: ExitCode; code?: string | undefined; advice?: string | undefined },
  ) {
    super(message);
    this.name = 'CommandFailure';
    this.exitCode = options.exitCode ?? exitCodes.failed;
    this.code = options.code;
    this.advice = options.advice;
  }
}

/** Runs the work of a command: a failure becomes one clear message on standard error, never a stack. */
export async function runCommand(terminal: Terminal, work: () => Promise<ExitCode>): Promise<void> {
  process.exitCode = await work().catch((error) => explain(terminal, error));
}

/** Prints what went wrong and what to do. @returns what the command should end with */
export function explain({ note }: Terminal, error: unknown): ExitCode {
  if (isAbort(error)) return exitCodes.interrupted;
  const failure = error instanceof CommandFailure ? error : known(error);
  const code = failure.code === undefined ? '' : ` [${failure.code}]`;
  note.write(`${note.colours.red('error')}: ${printable(failure.message)}${note.colours.dim(code)}\n`);
  if (failure.advice !== undefined) note.write(`${printable(failure.advice)}\n`);
  return failure.exitCode;
}

/** Details of our errors as sentences: what was tried, one a line; the advice last. */
function known(error: unknown): CommandFailure {
  const { code, details, message, cause } = toTercetError(error);
  if (code === 'internal') return new CommandFailure(messageOf(cause) ?? message, {});
  const { advice, tried, known: names, ...rest } = details;
  const pairs = Object.entries(rest).filter(([, value]) => value !== undefined);
  const brief = pairs.map(([name, value]) => `${name}: ${String(value)}`).join(', ');
  const head = message.split(' (')[0] ?? message;
  const lines = Array.isArray(tried) ? tried.map((line) => `\n  - ${line}`).join('') : '';
  const text = `${head}${brief === '' ? '' : ` (${brief})`}${lines}`;
  const told = Array.isArray(names) ? `known models: ${names.join(', ')}` : undefined;
  return new CommandFailure(text, { code, advice: typeof advice === 'string' ? advice : told });
}

function messageOf(error: unknown): string | undefined {
  return error instanceof Error ? error.message : undefined;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
