import { newApiKey } from '@tercet/control-store';
import { type ApiKeyRecord, scopes as allScopes, type Scope } from '@tercet/tenancy';
import { Command, InvalidArgumentError, Option } from 'commander';
import { exitCodes, runCommand } from '../terminal/failure.js';
import { tableLines } from '../terminal/table.js';
import { printable, type Terminal } from '../terminal/terminal.js';
import { configOption, openKeyStore } from './key-store.js';
import { tenantName } from './tenant-name.js';

const examples = `
Examples:
  tercet keys create --tenant acme --name "search service"
  tercet keys create --tenant ops --scope admin inference --expires 90d
  tercet keys list
  tercet keys revoke 5hJq0PZbW1x
  tercet keys list --config gateway.json

A key is shown once. A running system takes a change within a second; \`tercet up --require-keys\` asks for keys.
Every change is written to audit.log in the state folder of whoever makes it.
`;
const nameCharactersMax = 100;

interface CreateOptions {
  readonly tenant: string;
  readonly name: string;
  readonly scope: readonly Scope[];
  readonly expires?: number;
  readonly config?: string;
  readonly json?: true;
}

type ListOptions = Pick<CreateOptions, 'config' | 'json'>;

/** `tercet keys`: who may use the system. */
export function keysCommand(terminal: Terminal): Command {
  const command = new Command('keys').description('Create, list and revoke API keys.').addHelpText('after', examples);
  command
    .command('list', { isDefault: true })
    .description('Show the keys, revoked and expired ones as well.')
    .addOption(configOption())
    .option('--json', 'print JSON')
    .action((options: ListOptions) => runCommand(terminal, () => list(terminal, options)));
  command
    .command('create')
    .description('Make a key and show it, once.')
    .requiredOption('--tenant <name>', 'whose key it is; a new name makes a tenant without limits', tenantName)
    .option('--name <text>', 'what it is for', keyName, '')
    .addOption(
      new Option('--scope <scope...>', 'what it allows').choices([...allScopes]).default(['inference'], 'inference'),
    )
    .option('--expires <when>', 'time until it ends (12h, 90d) or its day (2027-01-31)', expiry)
    .addOption(configOption())
    .option('--json', 'print JSON')
    .action((options: CreateOptions) => runCommand(terminal, () => create(terminal, options)));
  command
    .command('revoke')
    .description('End keys at once.')
    .argument('<id...>', 'ids as `tercet keys list` shows them')
    .addOption(configOption())
    .action((ids: string[], options: ListOptions) => runCommand(terminal, () => revoke(terminal, ids, options)));
  return command;
}

async function create({ out, note }: Terminal, options: CreateOptions): Promise<0> {
  const { tenant, name, scope: scopes, expires: expiresUnixMs } = options;
  await using audited = await openKeyStore(options.config);
  const isNew = !(await audited.store.tenants()).some((known) => known.name === tenant);
  const expiry = expiresUnixMs === undefined ? {} : { expiresUnixMs };
  const { key, record } = newApiKey({ tenant, name, scopes, createdUnixMs: Date.now(), ...expiry });
  await audited.store.addKey(record);
  audited.audit('audit.key_created', { keyId: record.id, tenant, name, scopes, expires: isoOf(expiresUnixMs) });
  if (options.json === true) {
    out.write(`${JSON.stringify({ ...shown(record), key })}\n`);
    return exitCodes.done;
  }
  if (isNew) note.write(`tenant ${tenant} is new, without limits: \`tercet tenants set ${tenant}\` sets them\n`);
  note.write(`key ${record.id} of ${tenant}; it is shown this once:\n`);
  out.write(`${key}\n`);
  return exitCodes.done;
}

async function list({ out }: Terminal, options: ListOptions): Promise<0> {
  await using audited = await openKeyStore(options.config);
  const keys = (await audited.store.keys()).map(shown);
  if (options.json === true) {
    out.write(`${JSON.stringify({ keys }, null, 2)}\n`);
    return exitCodes.done;
  }
  const titles = ['ID', 'TENANT', 'NAME', 'SCOPES', 'CREATED', 'EXPIRES', 'STATE'];
  const rows = keys.map(({ id, tenant, name, scopes, created, expires, state }) => [
    ...[id, tenant, printable(name), scopes.join(' '), dayOf(created), dayOf(expires) || 'never', state],
  ]);
  const lines = tableLines(
    titles.map((title) => ({ title })),
    rows,
  );
  out.write(`${[out.colours.bold(lines[0] ?? ''), ...lines.slice(1)].join('\n')}\n`);
  return exitCodes.done;
}

async function revoke({ note }: Terminal, ids: readonly string[], options: ListOptions): Promise<0> {
  await using audited = await openKeyStore(options.config);
  for (const id of ids) {
    const { tenant } = await audited.store.revokeKey(id, Date.now());
    audited.audit('audit.key_revoked', { keyId: id, tenant });
    note.write(`${id} of ${tenant} is revoked\n`);
  }
  return exitCodes.done;
}

/** A key as it may be seen: without its hash. */
function shown({ id, tenant, name, scopes, createdUnixMs, expiresUnixMs, revokedUnixMs }: ApiKeyRecord) {
  const isExpired = expiresUnixMs !== undefined && expiresUnixMs <= Date.now();
  const state = revokedUnixMs !== undefined ? 'revoked' : isExpired ? 'expired' : 'valid';
  const times = { created: isoOf(createdUnixMs), expires: isoOf(expiresUnixMs), revoked: isoOf(revokedUnixMs) };
  return { id, tenant, name, scopes, ...times, state };
}

function isoOf(unixMs: number | undefined): string | undefined {
  return unixMs === undefined ? undefined : new Date(unixMs).toISOString();
}

function dayOf(iso: string | undefined): string {
  return iso?.slice(0, 10) ?? '';
}

function keyName(text: string): string {
  if (text.length <= nameCharactersMax && printable(text) === text && !text.includes('\n')) return text;
  throw new InvalidArgumentError(`Must be one line of at most ${nameCharactersMax} characters.`);
}

/** Unix time in ms. */
function expiry(text: string): number {
  const span = /^(\d{1,5})([hd])$/.exec(text);
  const hours = Number(span?.[1]) * (span?.[2] === 'd' ? 24 : 1);
  const unixMs = span === null ? dayMs(text) : Date.now() + hours * 3_600_000;
  if (unixMs > Date.now()) return unixMs;
  throw new InvalidArgumentError('Must be a time in the future: 12h, 90d or 2027-01-31.');
}

/** Begin of a day, UTC; NaN when it is none. */
function dayMs(text: string): number {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
}
