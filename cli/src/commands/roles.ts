import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type StageName, stageNames } from '@tercet/allocation';
import { wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import { Argument, Command } from 'commander';
import { stateFolder } from '../config.js';
import { CommandFailure, exitCodes, runCommand } from '../terminal/failure.js';
import { interruption } from '../terminal/signals.js';
import { tableLines } from '../terminal/table.js';
import { printable, type Terminal } from '../terminal/terminal.js';
import { formatMs } from '../terminal/units.js';
import { wholeFrom } from './options.js';

const examples = `
Examples:
  tercet roles                                    the pods and their roles, as the controller recorded them
  tercet roles set decode-1 prefill               move a pod; returns when it serves its new role
  tercet roles set decode-1 prefill --epoch 4     only if nobody moved it since you looked

A pod finishes what it does before it moves. The last pods that a stage must have are not moved.
Where the policy is auto, the controller may move the pod again when the load asks for it.
`;

interface Options {
  readonly controller?: string;
}

/** `tercet roles`: which pod is what, and moving one by hand. */
export function rolesCommand(terminal: Terminal): Command {
  const command = new Command('roles').description('Show and change the roles of pods.').addHelpText('after', examples);
  const where = [
    '--controller <endpoint>',
    'controller to ask (default: those of the system on this machine)',
  ] as const;
  command
    .command('list', { isDefault: true })
    .description('Show the pods with their roles and epochs, and the moves under way.')
    .option(...where)
    .option('--json', 'print JSON')
    .action((options: Options & { json?: true }) => runCommand(terminal, () => list(terminal, options)));
  command
    .command('set')
    .description('Move a pod to another stage.')
    .argument('<pod>', 'name of the pod, as `tercet roles` shows it')
    .addArgument(new Argument('<role>', 'stage that it shall serve').choices(stageNames))
    .option('--epoch <n>', 'refuse when the pod is in another epoch by now', wholeFrom(0))
    .option(...where)
    .action((podId: string, role: StageName, options: Options & { epoch?: number }) =>
      runCommand(terminal, () => set(terminal, { ...options, podId, role })),
    );
  return command;
}

async function list({ out }: Terminal, options: Options & { readonly json?: true }): Promise<0> {
  using stop = interruption();
  using controllers = new Controllers(options);
  const pools = await controllers.pools(stop.signal);
  const pods = pools.flatMap((pool) => pool.pods.map((pod) => ({ pool, pod })));
  const plain = pods.map(({ pool, pod }) => {
    const { podId, role, epoch, recordedRole } = pod;
    const move = pool.moves.find((begun) => begun.podId === podId);
    const roles = { role: roleName(role), recordedRole: roleName(recordedRole), movesTo: move && roleName(move.to) };
    return { podId, ...roles, epoch: Number(epoch), model: pool.model };
  });
  if (options.json === true) {
    out.write(`${JSON.stringify({ pods: plain }, null, 2)}\n`);
    return exitCodes.done;
  }
  const columns = [
    { title: 'POD' },
    { title: 'ROLE' },
    { title: 'EPOCH', align: 'right' as const },
    { title: 'MODEL' },
  ];
  const rows = plain.map(({ podId, role, recordedRole, movesTo, epoch, model }) => {
    const goal = movesTo ?? (recordedRole === 'none' ? role : recordedRole);
    return [printable(podId), goal === role ? role : `${role} → ${goal}`, String(epoch), printable(model)];
  });
  const [head = '', ...lines] = tableLines(columns, rows);
  out.write(`${[out.colours.bold(head), ...lines].join('\n')}\n`);
  return exitCodes.done;
}

async function set(
  { out }: Terminal,
  options: Options & { readonly podId: string; readonly role: StageName; readonly epoch?: number },
): Promise<0> {
  const { podId, role, epoch } = options;
  using stop = interruption();
  using controllers = new Controllers(options);
  const startMs = performance.now();
  const request = { podId, role: wireRoles[role], ...(epoch === undefined ? {} : { expectedEpoch: BigInt(epoch) }) };
  const { pods } = await controllers.move(request, stop.signal);
  const now = pods.find((pod) => pod.podId === podId);
  const took = formatMs(performance.now() - startMs);
  out.write(`${printable(podId)} serves ${role} in epoch ${now?.epoch ?? '?'}, after ${took}\n`);
  return exitCodes.done;
}

/** The controllers that a person means: the one that is named, or all of the system on this machine. */
class Controllers implements Disposable {
  readonly #channels: readonly GrpcChannel[];

  /** @throws CommandFailure when there is none */
  constructor({ controller }: Options) {
    const endpoints = controller === undefined ? endpointsHere() : [controller];
    if (endpoints.length === 0) {
      throw new CommandFailure('no controller runs on this machine', {
        exitCode: exitCodes.unreachable,
        advice: '`tercet up` starts one for each model with all three stages; --controller names another',
      });
    }
    this.#channels = endpoints.map((endpoint) => GrpcChannel.open(endpoint));
  }

  async pools(signal: AbortSignal): Promise<wire.PoolStatus[]> {
    return await Promise.all(this.#channels.map((channel) => clientOf(channel).getPool({}, { signal })));
  }

  /** Asks the controller whose pool has the pod. @throws CommandFailure when none has it */
  async move(request: wire.DeepPartial<wire.MovePodRequest>, signal: AbortSignal): Promise<wire.PoolStatus> {
    const pools = await this.pools(signal);
    const place = pools.findIndex(({ pods }) => pods.some(({ podId }) => podId === request.podId));
    const channel = this.#channels[place];
    if (channel === undefined) {
      const known = pools.flatMap(({ pods }) => pods.map(({ podId }) => podId)).join(', ');
      throw new CommandFailure(`there is no pod ${request.podId}`, { advice: `there are ${known}` });
    }
    return await clientOf(channel).movePod(request, { signal });
  }

  [Symbol.dispose](): void {
    for (const channel of this.#channels) channel.close();
  }
}

function clientOf(channel: GrpcChannel) {
  return channel.client(wire.ControllerDefinition);
}

function endpointsHere(): string[] {
  const folder = join(stateFolder(), 'run');
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.filter((name) => /^controller.*\.sock$/.test(name)).map((name) => `unix:${join(folder, name)}`);
}

const wireRoles: Readonly<Record<StageName, wire.Role>> = {
  encode: wire.Role.ROLE_ENCODE,
  prefill: wire.Role.ROLE_PREFILL,
  decode: wire.Role.ROLE_DECODE,
};

function roleName(role: wire.Role): string {
  return stageNames.find((stage) => wireRoles[stage] === role) ?? 'none';
}
