import { type Priority, priorities, type Tenant, unlimited } from '@tercet/tenancy';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { CommandFailure, exitCodes, runCommand } from '../terminal/failure.js';
import { type Column, tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { configOption, openKeyStore } from './key-store.js';
import { tenantName } from './tenant-name.js';

const examples = `
Examples:
  tercet tenants set acme --requests-per-minute 600 --tokens-per-minute 200000 --concurrency 16
  tercet tenants set batch --priority low --weight 0.5
  tercet tenants set acme --concurrency none
  tercet tenants list

A running system takes a change within a second.
`;

type Bound = number | 'none';

interface SetOptions {
  readonly requestsPerMinute?: Bound;
  readonly tokensPerMinute?: Bound;
  readonly concurrency?: Bound;
  readonly priority?: Priority;
  readonly weight?: number;
  readonly config?: string;
}

interface ListOptions {
  readonly config?: string;
  readonly json?: true;
}

/** `tercet tenants`: how much of the system each may have. */
export function tenantsCommand(terminal: Terminal): Command {
  const command = new Command('tenants')
    .description('Show and set the limits of tenants.')
    .addHelpText('after', examples);
  command
    .command('list', { isDefault: true })
    .description('Show the tenants and their limits.')
    .addOption(configOption())
    .option('--json', 'print JSON')
    .action((options: ListOptions) => runCommand(terminal, () => list(terminal, options)));
  command
    .command('set')
    .description('Set limits of a tenant, which is made where there is none; what is not named stays.')
    .addArgument(new Argument('<name>', 'tenant').argParser(tenantName))
    .option('--requests-per-minute <n>', 'requests that may begin in a minute, or none', bound(0))
    .option('--tokens-per-minute <n>', 'tokens of prompts and answers in a minute, or none', bound(0))
    .option('--concurrency <n>', 'requests that run at a time, or none', wholeBound)
    .addOption(new Option('--priority <class>', 'who goes first when there is a queue').choices([...priorities]))
    .option('--weight <n>', 'share among tenants of one priority when there is a queue', weight)
    .addOption(configOption())
    .action((name: string, options: SetOptions) => runCommand(terminal, () => set(terminal, name, options)));
  return command;
}

async function set({ note }: Terminal, name: string, { config, ...asked }: SetOptions): Promise<0> {
  if (Object.keys(asked).length === 0) {
    throw new CommandFailure('nothing to set', {
      exitCode: exitCodes.usage,
      advice: 'see `tercet tenants set --help`',
    });
  }
  await using audited = await openKeyStore(config);
  const known = (await audited.store.tenants()).find((tenant) => tenant.name === name);
  const bounds = Object.entries({ ...known, ...asked }).filter(([, value]) => value !== 'none');
  const tenant: Tenant = { ...unlimited, ...Object.fromEntries(bounds), name };
  await audited.store.putTenant(tenant);
  audited.audit('audit.tenant_set', { tenant: name, ...asked });
  note.write(`${name}: ${boundsText(tenant)}\n`);
  return exitCodes.done;
}

async function list({ out }: Terminal, { config, json }: ListOptions): Promise<0> {
  await using audited = await openKeyStore(config);
  const tenants = await audited.store.tenants();
  if (json === true) {
    out.write(`${JSON.stringify({ tenants }, null, 2)}\n`);
    return exitCodes.done;
  }
  const right = (title: string): Column => ({ title, align: 'right' });
  const bounds = [right('REQUESTS/MIN'), right('TOKENS/MIN'), right('CONCURRENCY')];
  const columns = [{ title: 'TENANT' }, ...bounds, { title: 'PRIORITY' }, right('WEIGHT')];
  const rows = tenants.map(({ name, requestsPerMinute, tokensPerMinute, concurrency, priority, weight: share }) => [
    ...[name, boundText(requestsPerMinute), boundText(tokensPerMinute), boundText(concurrency), priority, `${share}`],
  ]);
  const lines = tableLines(columns, rows);
  out.write(`${[out.colours.bold(lines[0] ?? ''), ...lines.slice(1)].join('\n')}\n`);
  return exitCodes.done;
}

function boundsText({ requestsPerMinute, tokensPerMinute, concurrency, priority, weight: share }: Tenant): string {
  const rates = `${boundText(requestsPerMinute)} requests/min, ${boundText(tokensPerMinute)} tokens/min`;
  return `${rates}, concurrency ${boundText(concurrency)}, priority ${priority}, weight ${share}`;
}

function boundText(value: number | undefined): string {
  return value === undefined ? 'any' : String(value);
}

/** Parser of a number above `above`, or `none`. */
function bound(above: number): (text: string) => Bound {
  return (text) => {
    if (text === 'none') return text;
    const value = Number(text);
    if (text.trim() !== '' && value > above && value <= 1e12) return value;
    throw new InvalidArgumentError('Must be a number above 0, or none.');
  };
}

function wholeBound(text: string): Bound {
  const value = bound(0)(text);
  if (value === 'none' || Number.isInteger(value)) return value;
  throw new InvalidArgumentError('Must be a whole number from 1 on, or none.');
}

function weight(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0.01 && value <= 100) return value;
  throw new InvalidArgumentError('Must be a number from 0.01 to 100.');
}
