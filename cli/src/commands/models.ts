import { type ListedModel, modelOf, type PullProgress } from '@tercet/models';
import { Command } from 'commander';
import { openModelStore } from '../model-store.js';
import { exitCodes, runCommand } from '../terminal/failure.js';
import { ProgressBar } from '../terminal/progress-bar.js';
import { interruption } from '../terminal/signals.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { formatBytes } from '../terminal/units.js';

const examples = `
Examples:
  tercet models list
  tercet models pull gemma-3-270m-it
  tercet up --model gemma-3-270m-it
  tercet models rm gemma-3-270m-it

Models are kept once per user, in TERCET_MODELS_DIR or the user's cache folder.
HF_TOKEN is sent to the model hub for models whose licence must be accepted there.
Behind a proxy, set NODE_USE_ENV_PROXY=1 beside HTTPS_PROXY.
`;

/** `tercet models`: what can be served, what is on this disk. */
export function modelsCommand(terminal: Terminal): Command {
  const command = new Command('models').description('List, download and remove models.').addHelpText('after', examples);
  command
    .command('list', { isDefault: true })
    .description('Show the models of the catalog and which are on this machine.')
    .option('--json', 'print JSON')
    .action((options: { json?: true }) => runCommand(terminal, () => list(terminal, options.json === true)));
  command
    .command('pull')
    .description('Download models; goes on where an earlier download stopped.')
    .argument('<name...>', 'names as `tercet models list` shows them')
    .action((names: string[]) => runCommand(terminal, () => pull(terminal, names)));
  command
    .command('rm')
    .description('Remove downloaded models from this machine.')
    .argument('<name...>', 'names as `tercet models list` shows them')
    .action((names: string[]) => runCommand(terminal, () => remove(terminal, names)));
  return command;
}

async function list({ out, note }: Terminal, json: boolean): Promise<0> {
  const store = openModelStore();
  const models = await store.list();
  if (json) {
    const plain = models.map((listed) => ({ ...plainOf(listed), path: store.pathOf(listed.model, mainFile(listed)) }));
    out.write(`${JSON.stringify({ folder: store.folder, models: plain }, null, 2)}\n`);
    return exitCodes.done;
  }
  const { colours } = out;
  const columns = [
    { title: 'NAME' },
    { title: 'KIND' },
    { title: 'SIZE', align: 'right' as const },
    { title: 'HERE' },
    { title: 'LICENCE' },
  ];
  const rows = models.map((listed) => {
    const { name, kind, bytes, state, licence } = plainOf(listed);
    const here = { ready: colours.green('yes'), partial: colours.yellow('in part'), absent: colours.dim('no') }[state];
    return [name, kind, bytes === undefined ? '?' : formatBytes(bytes), here, licence];
  });
  const [head, ...lines] = tableLines(columns, rows);
  out.write(`${[colours.bold(head ?? ''), ...lines].join('\n')}\n`);
  if (note.isTty) note.write(note.colours.dim(`cache: ${store.folder}\n`));
  return exitCodes.done;
}

function plainOf({ model, state, bytes, cachedBytes }: ListedModel) {
  const { name, kind, licence, licenceUrl } = model;
  const sees = model.files.some(({ role }) => role === 'mmproj');
  return { name, kind: sees ? 'chat, images' : kind, bytes, state, cachedBytes, licence, licenceUrl };
}

function mainFile({ model }: ListedModel) {
  return model.files.find(({ role }) => role === 'model') ?? model.files[0]!;
}

async function pull({ note }: Terminal, names: readonly string[]): Promise<0> {
  const store = openModelStore();
  const models = names.map((name) => modelOf(store.catalog, name));
  const bar = new ProgressBar(note, () => performance.now());
  const { signal } = interruption();
  try {
    for (const { name, licence, licenceUrl } of models) {
      bar.finish(`${note.colours.bold(name)}, licence ${licence}${licenceUrl === undefined ? '' : `, ${licenceUrl}`}`);
      await store.pull(name, { signal, progress: (progress) => show(bar, progress) });
      bar.finish(`${note.colours.green('ready')}: tercet up --model ${name}`);
    }
    return exitCodes.done;
  } finally {
    bar.clear();
  }
}

const stateNames = { waiting: 'another download runs', verify: 'checking', download: undefined } as const;

const checkNames = {
  matched: 'checked',
  local: 'comes with tercet',
  unknown: 'checksum unknown, not verified',
} as const;

function show(bar: ProgressBar, { file, phase, bytesDone, bytesTotal, check = 'unknown' }: PullProgress): void {
  if (phase === 'ready') bar.finish(`  ${file}, ${formatBytes(bytesDone)}, ${checkNames[check]}`);
  else bar.show({ label: `  ${file}`, state: stateNames[phase], bytesDone, bytesTotal });
}

async function remove({ note }: Terminal, names: readonly string[]): Promise<0> {
  const store = openModelStore();
  for (const name of names) modelOf(store.catalog, name);
  for (const name of names) {
    const bytes = await store.remove(name);
    note.write(bytes === 0 ? `${name} was not in the cache\n` : `${name} removed, ${formatBytes(bytes)} free again\n`);
  }
  return exitCodes.done;
}
