import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { environment as ours } from '../config.js';

export interface CliResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface CliOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Called with all output so far; what it returns is sent to the process once. */
  readonly interruptWhen?: (out: string) => boolean;
}

const entry = join(import.meta.dirname, '../../dist/main.js');

/** Runs the built command, with an environment that holds nothing of the caller's settings. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { promise, resolve } = Promise.withResolvers<CliResult>();
  const env = { PATH: ours.PATH, HOME: '/nonexistent', ...options.environment };
  const child = spawn(process.execPath, [entry, ...args], { env });
  const result = { out: '', err: '' };
  let interrupted = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    result.out += text;
    if (interrupted || options.interruptWhen?.(result.out) !== true) return;
    interrupted = true;
    child.kill('SIGINT');
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    result.err += text;
  });
  child.on('close', (code) => resolve({ code, ...result }));
  child.stdin.on('error', () => {}); // the process may end before it read everything
  child.stdin.end(options.stdin ?? '');
  return promise;
}
