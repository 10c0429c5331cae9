import { createReadStream, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { wholeFrom } from '../commands/options.js';
import { apiKey, defaultUrl } from '../config.js';
import { CommandFailure, type ExitCode, exitCodes, runCommand } from '../terminal/failure.js';
import { interruption } from '../terminal/signals.js';
import { tableLines } from '../terminal/table.js';
import { printable, type Terminal } from '../terminal/terminal.js';
import { type Batch, BatchesApi, isOver } from './batches-api.js';
import { LineProgress } from './line-progress.js';

const help = `
Examples:
  tercet batch submit lines.jsonl              upload, run, watch; prints the batch's id
  tercet batch submit lines.jsonl --detach     do not wait for it
  tercet batch list
  tercet batch results batch_1f0c… > answers.jsonl
  tercet batch results batch_1f0c… --errors    the lines that failed

A line is {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {…}}.
`;
const lookEveryMs = 500;

interface Options {
  readonly url: string;
  readonly detach?: true;
  readonly json?: true;
  readonly errors?: true;
  readonly limit: number;
}

/** `tercet batch`: requests in a file, answered within a day with the room that others leave. */
export function batchCommand(terminal: Terminal): Command {
  const command = new Command('batch').description('Run files of requests that nobody waits for.');
  command.addHelpText('after', help);
  const part = (name: string, description: string) => {
    return command.command(name).description(description).option('--url <address>', 'server to ask', defaultUrl());
  };
  const run = (options: Options, work: (api: BatchesApi, signal: AbortSignal) => Promise<ExitCode>) =>
    runCommand(terminal, async () => {
      using stop = interruption();
      return work(new BatchesApi({ url: options.url, apiKey: apiKey() }, stop.signal), stop.signal);
    });
  part('submit', 'Upload a file of JSON lines and run it.')
    .argument('<file>', 'one request a line')
    .option('--detach', 'do not wait until it is over')
    .action((path: string, options: Options) =>
      run(options, (api, signal) => submit({ terminal, api, signal }, { path, detach: options.detach === true })),
    );
  part('list', 'Show batches, newest first.')
    .option('-n, --limit <n>', 'how many', wholeFrom(1, 100), 20)
    .option('--json', 'print JSON')
    .action((options: Options) => run(options, (api) => list(terminal, api, options)));
  part('results', 'Print the answers of a batch as JSON lines.')
    .argument('<id>', 'as `tercet batch list` shows it')
    .option('--errors', 'print the lines that failed instead')
    .action((id: string, options: Options) =>
      run(options, (api) => results(terminal, api, { id, wantsErrors: options.errors === true })),
    );
  part('cancel', 'Begin no further line of a batch.')
    .argument('<id>', 'as `tercet batch list` shows it')
    .action((id: string, options: Options) =>
      run(options, async (api) => {
        terminal.note.write(`${id} ${(await api.cancel(id)).status}\n`);
        return exitCodes.done;
      }),
    );
  return command;
}

interface Submission {
  readonly terminal: Terminal;
  readonly api: BatchesApi;
  readonly signal: AbortSignal;
}

async function submit(
  { terminal, api, signal }: Submission,
  { path, detach }: { path: string; detach: boolean },
): Promise<ExitCode> {
  const { out, note } = terminal;
  const submitted = await api.submit(path, await endpointOf(path));
  out.write(`${submitted.id}\n`);
  if (detach) return exitCodes.done;
  const batch = await watch(api, { batch: submitted, progress: new LineProgress(note), signal });
  if (batch === undefined) {
    note.write(`it goes on: tercet batch results ${submitted.id}\n`);
    return exitCodes.interrupted;
  }
  return report(terminal, batch);
}

/** Until it is over; undefined when the person leaves first. */
async function watch(
  api: BatchesApi,
  { batch, progress, signal }: { batch: Batch; progress: LineProgress; signal: AbortSignal },
): Promise<Batch | undefined> {
  using line = progress;
  for (let now = batch; ; now = await api.get(batch.id)) {
    line.show(now);
    if (isOver(now)) return now;
    await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return undefined;
  }
}

function report({ note }: Terminal, { id, status, request_counts: counts, errors }: Batch): ExitCode {
  for (const { line, code, message } of errors?.data ?? []) {
    const where = line === null ? '' : `line ${line}: `;
    note.write(`${note.colours.red('error')}: ${where}${printable(message)} [${code}]\n`);
  }
  if (status === 'failed') return exitCodes.failed;
  note.write(`${status}: ${counts.completed} of ${counts.total} lines answered; tercet batch results ${id}\n`);
  if (counts.failed > 0) note.write(`${counts.failed} failed; tercet batch results ${id} --errors\n`);
  return status === 'completed' ? exitCodes.done : exitCodes.failed;
}

/** The endpoint of the first line: all have the same. */
async function endpointOf(path: string): Promise<string> {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new CommandFailure(`there is no file ${path}`, { exitCode: exitCodes.usage });
  }
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line.trim() === '') continue;
    const url = urlOf(line);
    if (url !== undefined) return url;
    break;
  }
  throw new CommandFailure(`the first line of ${path} is no request`, {
    advice: 'see `tercet batch --help` for what a line looks like',
  });
}

function urlOf(line: string): string | undefined {
  try {
    const { url } = JSON.parse(line) as { url?: unknown };
    return typeof url === 'string' ? url : undefined;
  } catch {
    return undefined;
  }
}

async function list({ out }: Terminal, api: BatchesApi, { limit, json }: Options): Promise<ExitCode> {
  const batches = await api.list(limit);
  if (json === true) {
    out.write(`${JSON.stringify({ batches }, null, 2)}\n`);
    return exitCodes.done;
  }
  const right = 'right' as const;
  const columns = [
    { title: 'ID' },
    { title: 'STATE' },
    { title: 'LINES', align: right },
    { title: 'ANSWERED', align: right },
    { title: 'FAILED', align: right },
    { title: 'CREATED' },
  ];
  const rows = batches.map(({ id, status, request_counts: { total, completed, failed }, created_at: created }) => {
    const time = new Date(created * 1000).toISOString().slice(0, 16).replace('T', ' ');
    return [printable(id), printable(status), String(total), String(completed), String(failed), time];
  });
  out.write(`${tableLines(columns, rows).join('\n')}\n`);
  return exitCodes.done;
}

async function results(
  { out }: Terminal,
  api: BatchesApi,
  { id, wantsErrors }: { id: string; wantsErrors: boolean },
): Promise<ExitCode> {
  const batch = await api.get(id);
  if (!isOver(batch)) {
    throw new CommandFailure(`${id} is not over: ${batch.status}`, { advice: 'tercet batch list shows how far it is' });
  }
  const fileId = wantsErrors ? batch.error_file_id : batch.output_file_id;
  if (fileId === null) return exitCodes.done;
  for await (const text of api.contentOf(fileId)) out.write(text);
  return exitCodes.done;
}
