import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { z } from 'zod';
import { apiKey, defaultUrl } from '../config.js';
import { barOf } from '../terminal/bar.js';
import { CommandFailure, type ExitCode, exitCodes, runCommand } from '../terminal/failure.js';
import { interruption } from '../terminal/signals.js';
import { type Column, tableLines } from '../terminal/table.js';
import { type Colours, printable, type Terminal } from '../terminal/terminal.js';
import { formatBytes, formatMs } from '../terminal/units.js';
import { expectShape, type GatewayAddress, getJson } from './gateway-api.js';
import { numberFrom } from './options.js';
import { type Pool, Pools, poolLines } from './pools.js';

export const Pods = z.object({
  pods: z.array(
    z.object({
      podId: z.string(),
      role: z.string(),
      epoch: z.union([z.number(), z.string()]),
      phase: z.string(),
      model: z.string().nullish(),
      waiting: z.number(),
      running: z.number(),
      kvBlocksUsed: z.number(),
      kvBlocksTotal: z.number(),
      stepMsMean: z.number().nullish(),
      residentBytes: z.number().nullish(),
    }),
  ),
});
export type Pod = z.infer<typeof Pods>['pods'][number];

const help = `
Examples:
  tercet top                  a live table; q or Ctrl-C leaves
  tercet top --once           the table once
  tercet top --json           one JSON document a second, one a line
  tercet top --once --json | jq '.pods[] | select(.role == "decode") | .running'
`;

interface Options {
  readonly url: string;
  readonly interval: number;
  readonly once?: true;
  readonly json?: true;
}

/** `tercet top`: the pods of a running server, their roles and their load, and what the controller decided. */
export function topCommand(terminal: Terminal): Command {
  return new Command('top')
    .description('Show the pods of a running server: roles, queues, KV cache, step times, last decisions.')
    .option('--once', 'print once and leave')
    .option('--json', 'print JSON')
    .option('-n, --interval <seconds>', 'time between two looks', numberFrom(0.1, 3600), 1)
    .option('--url <address>', 'server to look at', defaultUrl())
    .addHelpText('after', help)
    .action((options: Options) => runCommand(terminal, () => top(terminal, options)));
}

async function top({ out }: Terminal, options: Options): Promise<ExitCode> {
  const address = { url: options.url, apiKey: apiKey() };
  const isLive = options.once !== true && options.json !== true && out.isTty;
  using stop = interruption();
  using keys = isLive ? quitKeys() : undefined;
  const signal = keys === undefined ? stop.signal : AbortSignal.any([stop.signal, keys.signal]);
  if (isLive) out.write('\u001b[?25l');
  try {
    let lookedOnce = false;
    while (!signal.aborted) {
      const view = await look(address, { json: options.json === true, colours: out.colours, signal }).catch((error) => {
        if (!isLive || !lookedOnce || !(error instanceof CommandFailure)) throw error;
        return `${out.colours.red(error.message)}\nlooking again …`;
      });
      lookedOnce = true;
      out.write(isLive ? screen(view) : `${view}\n`);
      if (options.once === true) break;
      await sleep(options.interval * 1000, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    if (isLive) out.write('\u001b[?25h');
  }
  return exitCodes.done;
}

async function look(
  address: GatewayAddress,
  { json, colours, signal }: { json: boolean; colours: Colours; signal: AbortSignal },
): Promise<string> {
  const [pods, pools] = await Promise.all([podsOf(address, signal), poolsOf(address, signal)]);
  if (json) return JSON.stringify({ pods, pools });
  return [podLines(pods, colours), ...pools.map((pool) => poolLines(pool, colours))]
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

async function podsOf(address: GatewayAddress, signal: AbortSignal): Promise<Pod[]> {
  return expectShape(Pods, await getJson(address, '/tercet/pods', signal), address).pods;
}

async function poolsOf(address: GatewayAddress, signal: AbortSignal): Promise<Pool[]> {
  return expectShape(Pools, await getJson(address, '/tercet/cluster', signal), address).pools;
}

const columns: readonly Column[] = [
  { title: 'POD' },
  { title: 'ROLE' },
  { title: 'EPOCH', align: 'right' },
  { title: 'PHASE' },
  { title: 'WAITING', align: 'right' },
  { title: 'RUNNING', align: 'right' },
  { title: 'KV CACHE' },
  { title: 'STEP', align: 'right' },
  { title: 'MEMORY', align: 'right' },
  { title: 'MODEL' },
];

/** Table of pods by role, then by name, with a line of sums under it. */
export function podLines(pods: readonly Pod[], colours: Colours): string[] {
  if (pods.length === 0) return ['the server knows no pods'];
  const order = ['encode', 'prefill', 'decode'];
  const rank = ({ role }: Pod) => (order.includes(role) ? order.indexOf(role) : order.length);
  const sorted = pods.toSorted((a, b) => rank(a) - rank(b) || a.podId.localeCompare(b.podId, 'en', { numeric: true }));
  const lines = tableLines(
    columns,
    sorted.map((pod) => podCells(pod, colours)),
  );
  const [head = '', ...rows] = lines;
  const sum = (of: (pod: Pod) => number) => pods.reduce((total, pod) => total + of(pod), 0);
  const totals = `${pods.length} pods, ${sum((pod) => pod.running)} running, ${sum((pod) => pod.waiting)} waiting`;
  return [colours.bold(head), ...rows, colours.dim(totals)];
}

function podCells(pod: Pod, colours: Colours): string[] {
  const paint = { encode: colours.magenta, prefill: colours.cyan, decode: colours.green }[pod.role] ?? colours.gray;
  const well = ['serving', 'ready', 'running'].includes(pod.phase);
  const share = pod.kvBlocksTotal === 0 ? 0 : pod.kvBlocksUsed / pod.kvBlocksTotal;
  const kv = pod.kvBlocksTotal === 0 ? '' : `${barOf(share, 8)} ${Math.round(share * 100)} %`;
  return [
    printable(pod.podId),
    paint(printable(pod.role)),
    String(pod.epoch),
    well ? pod.phase : colours.yellow(printable(pod.phase)),
    String(pod.waiting),
    String(pod.running),
    kv,
    typeof pod.stepMsMean === 'number' && pod.stepMsMean > 0 ? formatMs(pod.stepMsMean) : '',
    typeof pod.residentBytes === 'number' && pod.residentBytes > 0 ? formatBytes(pod.residentBytes) : '',
    printable(pod.model ?? ''),
  ];
}

/** Home, every line cleared to its end, the rest of the screen cleared: no flicker. */
function screen(view: string): string {
  const lines = view.split('\n').map((line) => `${line}\u001b[K\n`);
  return `\u001b[H${lines.join('')}\u001b[J`;
}

/** `q` and Ctrl-C, which is a key and no signal while keys are read one by one. */
function quitKeys(): { readonly signal: AbortSignal } & Disposable {
  const abort = new AbortController();
  const { stdin } = process;
  if (!stdin.isTTY) return { signal: abort.signal, [Symbol.dispose]: () => undefined };
  const onKey = (key: Buffer) => {
    if (['q', 'Q', '\u0003', '\u0004', '\u001b'].includes(key.toString())) abort.abort();
  };
  stdin.setRawMode(true).resume().on('data', onKey);
  return {
    signal: abort.signal,
    [Symbol.dispose]: () => {
      stdin.off('data', onKey).setRawMode(false).pause();
    },
  };
}
