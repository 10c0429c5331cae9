import { Command, InvalidArgumentError } from 'commander';
import { wholeFrom } from '../commands/options.js';
import { apiKey, defaultUrl } from '../config.js';
import { CommandFailure, type ExitCode, exitCodes, runCommand } from '../terminal/failure.js';
import { interruption } from '../terminal/signals.js';
import { tableLines } from '../terminal/table.js';
import { printable, type Terminal } from '../terminal/terminal.js';
import { formatBytes, formatMs } from '../terminal/units.js';
import { CollectionsApi, type Field, type Hits } from './collections-api.js';
import { ingest } from './ingest.js';

const help = `
Examples:
  tercet index create docs --model all-minilm-l6-v2     a collection whose texts that model embeds
  tercet index ingest docs ./handbook notes.md faq.csv  folders, Markdown, texts, JSONL, CSV, Parquet
  tercet index search docs "how do I renew a key?"
  tercet index search docs "renew" --filter '{"field": "source", "eq": "faq.csv"}'
  tercet index backup docs friday
`;
const metrics = ['cosine', 'inner-product', 'l2'];
/** What ingested texts have, beside what their files say of them. */
const textFields: readonly Field[] = [
  { name: 'source', kind: 'keyword' },
  { name: 'heading', kind: 'keyword' },
  { name: 'chunk', kind: 'integer' },
];

interface Options {
  readonly url: string;
  readonly json?: true;
}

interface CreateOptions extends Options {
  readonly model?: string;
  readonly dimensions?: number;
  readonly metric: string;
  readonly language?: string;
  readonly field?: readonly Field[];
}

interface SearchOptions extends Options {
  readonly k: number;
  readonly filter?: object;
  readonly hybrid?: true;
  readonly exact?: true;
  readonly diversity?: number;
}

/** `tercet index`: collections of vectors. */
export function indexCommand(terminal: Terminal): Command {
  const command = new Command('index').description('Keep texts by their meaning, and find them.');
  command.addHelpText('after', help);
  const part: Part = (name, description) => {
    return command.command(name).description(description).option('--url <address>', 'server to ask', defaultUrl());
  };
  const run: Run = ({ url }, work) =>
    runCommand(terminal, async () => {
      using stop = interruption();
      return work(new CollectionsApi({ url, apiKey: apiKey() }, stop.signal), stop.signal);
    });
  part('create', 'Make a collection.')
    .argument('<name>', 'a-z, 0-9, _ and -')
    .option('-m, --model <name>', 'model that embeds its texts')
    .option('--dimensions <n>', 'length of its vectors, where no model embeds', wholeFrom(1))
    .option('--metric <metric>', `how near vectors are: ${metrics.join(', ')}`, oneOf(metrics), 'cosine')
    .option('--language <code>', 'of its texts: word endings count as one word (en, de, fr …)')
    .option('--field <name:kind>', 'a field to filter by: keyword, integer, float, bool, datetime, text', fields)
    .action((name: string, options: CreateOptions) =>
      run(options, (api) => create(terminal, api, { name, ...options })),
    );
  part('list', 'Show collections.')
    .option('--json', 'print JSON')
    .action((options: Options) => run(options, (api) => list(terminal, api, options)));
  part('ingest', 'Read files and folders into a collection. What was read before is replaced.')
    .argument('<name>', 'collection')
    .argument('<path...>', 'files (.jsonl, .csv, .parquet, .md, .txt) and folders')
    .option('--chunk-words <n>', 'words of one passage at most', wholeFrom(8, 2000), 120)
    .action((name: string, paths: string[], { chunkWords, ...options }: Options & { chunkWords: number }) =>
      run(options, (api, signal) => ingest({ terminal, api, signal }, { name, paths, chunkWords })),
    );
  part('search', 'Find what is nearest to a question.')
    .argument('<name>', 'collection')
    .argument('<query>', 'a question, or words')
    .option('-k, --k <n>', 'hits', wholeFrom(1), 5)
    .option('--filter <json>', 'what a hit must be like', jsonObject)
    .option('--hybrid', 'look for the words too, and fuse both rankings')
    .option('--exact', 'compare with every vector')
    .option('--json', 'print JSON')
    .action((name: string, query: string, options: SearchOptions) =>
      run(options, (api) => search(terminal, api, { name, query, ...options })),
    );
  addBackups(terminal, part, run);
  return command;
}

type Part = (name: string, description: string) => Command;
type Run = (options: Options, work: (api: CollectionsApi, signal: AbortSignal) => Promise<ExitCode>) => Promise<void>;

function addBackups(terminal: Terminal, part: Part, run: Run): void {
  part('backup', 'Copy a collection into the folder of backups.')
    .argument('<name>', 'collection')
    .argument('<backup>', 'name of the backup')
    .action((name: string, backup: string, options: Options) =>
      run(options, async (api) => {
        const { points, bytes } = await api.backup(name, backup);
        terminal.note.write(`${points} points, ${formatBytes(bytes)}\n`);
        return exitCodes.done;
      }),
    );
  part('restore', 'Make a collection from a backup.')
    .argument('<name>', 'the new collection')
    .argument('<backup>', 'name of the backup')
    .action((name: string, backup: string, options: Options) =>
      run(options, async (api) => {
        terminal.note.write(`${(await api.restore(name, backup)).points} points\n`);
        return exitCodes.done;
      }),
    );
  part('delete', 'Take a collection away with all that it holds.')
    .argument('<name>', 'collection')
    .action((name: string, options: Options) =>
      run(options, async (api) => {
        await api.delete(name);
        return exitCodes.done;
      }),
    );
}

async function create(
  { note }: Terminal,
  api: CollectionsApi,
  { name, model, dimensions, metric, language, field: more = [] }: CreateOptions & { name: string },
): Promise<ExitCode> {
  if (model === undefined && dimensions === undefined) {
    throw new CommandFailure('a collection needs a model that embeds, or the dimensions of its vectors', {
      exitCode: exitCodes.usage,
      advice: 'give --model or --dimensions; `tercet models list` shows models',
    });
  }
  const text = { name: 'text', kind: 'text', ...(language === undefined ? {} : { language }) };
  const embedding = model === undefined ? {} : { embedding: { model, field: 'text' } };
  const size = dimensions === undefined ? {} : { dimensions };
  const made = await api.create({ name, metric, fields: [text, ...textFields, ...more], ...embedding, ...size });
  note.write(`${made.name}: ${made.dimensions} dimensions, ${made.fields.map((each) => each.name).join(', ')}\n`);
  return exitCodes.done;
}

async function list({ out }: Terminal, api: CollectionsApi, { json }: Options): Promise<ExitCode> {
  const collections = await Promise.all((await api.names()).map((name) => api.get(name)));
  if (json === true) {
    out.write(`${JSON.stringify({ collections }, null, 2)}\n`);
    return exitCodes.done;
  }
  const right = 'right' as const;
  const columns = [
    { title: 'NAME' },
    { title: 'POINTS', align: right },
    { title: 'DIMENSIONS', align: right },
    { title: 'METRIC' },
    { title: 'MODEL' },
    { title: 'MEMORY', align: right },
  ];
  const rows = collections.map(({ name, points, dimensions, metric, embedding, memory_bytes: memory }) => {
    const bytes = Object.values(memory).reduce((sum, each) => sum + each, 0);
    const model = printable(embedding?.model ?? '-');
    return [printable(name), String(points), String(dimensions), metric, model, formatBytes(bytes)];
  });
  out.write(`${tableLines(columns, rows).join('\n')}\n`);
  return exitCodes.done;
}

async function search(
  { out, note }: Terminal,
  api: CollectionsApi,
  { name, query, k, filter, hybrid, exact, json }: SearchOptions & { name: string; query: string },
): Promise<ExitCode> {
  const more = { ...(filter && { filter }), ...(hybrid && { hybrid }), ...(exact && { exact }) };
  const hits = await api.search(name, { query, k, ...more });
  if (json === true) {
    out.write(`${JSON.stringify(hits, null, 2)}\n`);
    return exitCodes.done;
  }
  for (const hit of hits.data) out.write(`${hitLines(hit).join('\n')}\n`);
  note.write(`${note.colours.dim(summary(hits))}\n`);
  return exitCodes.done;
}

/** A head with score and origin, and the beginning of the text. */
function hitLines({ id, score, payload = {} }: Hits['data'][number]): string[] {
  const source = typeof payload.source === 'string' ? `  ${payload.source}` : '';
  const text = typeof payload.text === 'string' ? [`    ${payload.text.replace(/\s+/g, ' ').slice(0, 200)}`] : [];
  return [`${score.toFixed(4)}  ${id}${source}`, ...text].map(printable);
}

function summary({ data, explanation }: Hits): string {
  const { route, exact, matches, candidates, text_candidates: texts, filter_ms: filter, search_ms: time } = explanation;
  const compared = `${candidates} vectors compared${texts > 0 ? `, ${texts} texts ranked` : ''} of ${matches}`;
  return `${data.length} hits by ${route}${exact ? ', exact' : ''}: ${compared}, ${formatMs(filter + time)}`;
}

function fields(text: string, earlier: readonly Field[] = []): Field[] {
  const [name = '', kind = '', language] = text.split(':');
  if (name === '' || kind === '') throw new InvalidArgumentError('Must be like year:integer or body:text:en.');
  return [...earlier, { name, kind, ...(language === undefined ? {} : { language }) }];
}

function oneOf(names: readonly string[]): (text: string) => string {
  return (text) => {
    if (names.includes(text)) return text;
    throw new InvalidArgumentError(`Must be one of ${names.join(', ')}.`);
  };
}

function jsonObject(text: string): object {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null) return json;
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('Must be JSON, as in {"field": "lang", "eq": "en"}.');
}
