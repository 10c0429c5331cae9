import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, jest, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { FileEventLog } from '@tercet/event-logs';
import { GrpcChannel } from '@tercet/grpc';
import { squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

jest.setTimeout(120_000);

const { ROLE_ENCODE, ROLE_PREFILL } = wire.Role;

test('a stage process that ends comes back in the role that was recorded, in a later epoch', async () => {
  await using system = await RunningSystem.start(['--decode', '2']);
  using pool = await Pool.of(system);
  const moved = await pool.controller.movePod({ podId: 'decode-1', role: ROLE_PREFILL });
  expect(podOf(moved, 'decode-1')).toMatchObject({ role: ROLE_PREFILL, epoch: 2n });
  process.kill(system.pidOf('decode-1'), 'SIGKILL');
  await system.until((pods) => !pods.some(({ podId }) => podId === 'decode-1'));
  await system.until((pods) => pods.some((pod) => pod.podId === 'decode-1' && pod.role === 'prefill'), 30_000);
  const after = await pool.until((status) => podOf(status, 'decode-1')?.recordedEpoch === 3n);
  expect(after.split).toEqual({ encode: 1, prefill: 2, decode: 1 });
});

test('a person can move a pod, in the epoch that was seen, but not the last one of its stage', async () => {
  await using system = await RunningSystem.start(['--decode', '2', '--controller', 'manual']);
  using pool = await Pool.of(system);
  const { controller } = pool;
  const refused = (podId: string, more = {}) => controller.movePod({ podId, role: ROLE_ENCODE, ...more });
  await expect(refused('prefill-0')).rejects.toMatchObject({ code: 'invalid_request', details: { left: 0, least: 1 } });
  await expect(refused('decode-9')).rejects.toMatchObject({ code: 'invalid_request' });
  await expect(refused('decode-0', { expectedEpoch: 7n })).rejects.toMatchObject({ code: 'epoch_stale' });
  await refused('decode-0', { expectedEpoch: 1n });
  const { split } = await pool.until(({ moves }) => moves.length === 0);
  expect(split).toEqual({ encode: 2, prefill: 1, decode: 1 });
});

test('a controller that is killed in the middle of a move finds it, and sees it through; requests go on', async () => {
  await using system = await RunningSystem.start(['--decode', '2']);
  using pool = await Pool.of(system);
  const answers: Promise<Response>[] = [];
  // The second goes where the first is not.
  for (const busy of [1, 2]) {
    answers.push(system.post('/v1/chat/completions', longQuestion));
    await system.until((pods) => pods.filter(({ role, running }) => role === 'decode' && running > 0).length === busy);
  }
  const cut = pool.controller.movePod({ podId: 'decode-1', role: ROLE_PREFILL }).catch((error) => error.code);
  await pool.until(({ moves }) => moves.length === 1);
  const before = controllerPids(system).at(-1) as number;
  process.kill(before, 'SIGKILL');
  expect(await cut).toBe('pod_unreachable');
  expect(ledgerOf(system).moves).toMatchObject([{ podId: 'decode-1', from: 'decode', to: 'prefill', reason: 'asked' }]);
  const during = await system.post('/v1/chat/completions', longQuestion);
  expect(during.status).toBe(200);
  const after = await pool.until((status) => podOf(status, 'decode-1')?.recordedRole === ROLE_PREFILL);
  expect(controllerPids(system).at(-1)).not.toBe(before);
  expect(after.split).toEqual({ encode: 1, prefill: 2, decode: 1 });
  expect(ledgerOf(system).moves).toEqual([]);
  for (const answer of await Promise.all(answers)) expect(answer.status).toBe(200);
});

test('a move that was written down and never asked for is undone by the next controller', async () => {
  await using system = await RunningSystem.start(['--decode', '2']);
  using pool = await Pool.of(system);
  await pool.until(({ lastPass }) => lastPass !== undefined);
  const ledger = ledgerOf(system);
  const move = {
    podId: 'decode-1',
    from: 'decode',
    to: 'encode',
    fromEpoch: '1',
    begunMs: 1,
    reason: 'better',
    decision: 1,
  };
  process.kill(controllerPids(system).at(-1) as number, 'SIGKILL');
  writeFileSync(ledgerPath(system), JSON.stringify({ ...ledger, moves: [move] }));
  await pool.until(() => controllerPids(system).length === 2);
  const after = await pool.until(({ moves, lastPass }) => lastPass !== undefined && moves.length === 0);
  expect(after.split).toEqual({ encode: 1, prefill: 1, decode: 2 });
  expect(system.log()).toContainEqual(
    expect.objectContaining({ event: 'controller.found', kind: 'undone', podId: 'decode-1' }),
  );
});

test('when long answers follow pictures, a pod moves from encode to decode, and no request is lost', async () => {
  const up = ['--encode', '2', '--slots', '2', '--controller', 'auto', '--slo', 'ttft=60000,tpot=100'];
  await using system = await RunningSystem.start(up, {
    settings: {
      TERCET__CONTROLLER__PASS_MS: '500',
      TERCET__CONTROLLER__VERIFY_MS: '3000',
      TERCET__CONTROLLER__DWELL_MS: '2000',
    },
  });
  using pool = await Pool.of(system);
  const pictures = await underLoad(system, { clients: 4, requests: 60, body: pictureQuestion });
  const before = await pool.controller.getPool({});
  expect(before.split).toEqual({ encode: 2, prefill: 1, decode: 1 });
  const stop = new AbortController();
  const texts = underLoad(system, { clients: 8, requests: 2000, body: () => shortAnswer, signal: stop.signal });
  const moved = await pool.until(({ split, moves }) => split?.decode === 2 && moves.length === 0, 60_000);
  stop.abort();
  expect([...pictures, ...(await texts)].filter((status) => status !== 200)).toEqual([]);
  const pod = moved.pods.find(({ podId, role }) => podId.startsWith('encode') && role === wire.Role.ROLE_DECODE);
  expect(pod).toMatchObject({ epoch: 2n, recordedRole: wire.Role.ROLE_DECODE, phase: wire.Phase.PHASE_READY });
  const [decision] = ledgerOf(system).decisions;
  const target = { encode: 1, prefill: 1, decode: 2, serve: 0 };
  expect(decision).toMatchObject({ id: 1, before: { encode: 2, prefill: 1, decode: 1, serve: 0 }, target });
  const change = { podId: pod?.podId, from: ROLE_ENCODE, to: wire.Role.ROLE_DECODE, decision: 1n, reason: 'better' };
  expect(moved.roleChanges.map((seen) => seen.change)).toContainEqual(expect.objectContaining(change));
  expect(await rolesTopic(system)).toContainEqual(expect.objectContaining({ ...change, epoch: 2n }));
});

test('a ledger that cannot be read stops the controller with the name of the file, and nothing else', async () => {
  await using system = await RunningSystem.start([]);
  using pool = await Pool.of(system);
  await pool.until(({ lastPass }) => lastPass !== undefined);
  writeFileSync(ledgerPath(system), '{"version": 1, "assignm');
  process.kill(controllerPids(system).at(-1) as number, 'SIGKILL');
  const refusal = () => system.log().find(({ event }) => event === 'controller.start_failed');
  while (refusal() === undefined) await sleep(50);
  const error = { code: 'ledger_invalid', message: expect.stringContaining(ledgerPath(system)) };
  expect(refusal()).toMatchObject({ error });
  expect((await system.post('/v1/chat/completions', { ...longQuestion, max_tokens: 8 })).status).toBe(200);
});

const longQuestion = {
  model: 'tercet-tiny',
  messages: [{ role: 'user', content: 'Tell me of circles.' }],
  max_tokens: 500,
  ignore_eos: true,
};

const shortAnswer = { ...longQuestion, max_tokens: 40 };

function pictureQuestion(index: number): object {
  const image = { type: 'image_url', image_url: { url: squarePicture([index % 250, 40, (7 * index) % 250]) } };
  const content = [image, { type: 'text', text: 'What colour is the square?' }];
  return { ...longQuestion, messages: [{ role: 'user', content }], max_tokens: 2 };
}

/** So many clients, each of which asks again when it has its answer. @returns the status of every answer */
async function underLoad(
  system: RunningSystem,
  load: { clients: number; requests: number; body: (index: number) => object; signal?: AbortSignal },
): Promise<number[]> {
  const statuses: number[] = [];
  let asked = 0;
  const client = async () => {
    while (asked < load.requests && load.signal?.aborted !== true) {
      const response = await system.post('/v1/chat/completions', load.body(asked++));
      await response.arrayBuffer();
      statuses.push(response.status);
    }
  };
  await Promise.all(Array.from({ length: load.clients }, client));
  return statuses;
}

/** The controller of a system's only model. */
class Pool implements Disposable {
  readonly #channel: GrpcChannel;

  private constructor(channel: GrpcChannel) {
    this.#channel = channel;
  }

  /** Once it has made a pass. */
  static async of(system: RunningSystem): Promise<Pool> {
    const pool = new Pool(GrpcChannel.open(`unix:${join(system.folder, 'run/controller.sock')}`));
    await pool.until(({ lastPass, pods }) => lastPass !== undefined && pods.length > 0);
    return pool;
  }

  get controller() {
    return this.#channel.client(wire.ControllerDefinition);
  }

  async until(condition: (status: wire.PoolStatus) => boolean, timeoutMs = 30_000): Promise<wire.PoolStatus> {
    let last: wire.PoolStatus | undefined;
    for (const startMs = performance.now(); performance.now() - startMs < timeoutMs; await sleep(50)) {
      last = await this.controller.getPool({}).catch(() => undefined);
      if (last !== undefined && condition(last)) return last;
    }
    throw new Error(
      `the pool did not become so: ${JSON.stringify(last, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`,
    );
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}

function podOf({ pods }: wire.PoolStatus, podId: string): wire.PoolPod | undefined {
  return pods.find((pod) => pod.podId === podId);
}

/** Changes of roles in the event log, until there is one that a decision wanted. */
async function rolesTopic(system: RunningSystem): Promise<wire.RoleChange[]> {
  const clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };
  await using log = new FileEventLog({ path: join(system.folder, 'events.db'), producer: 'test', clock });
  const stop = new AbortController();
  const changes: wire.RoleChange[] = [];
  const onEvent = async ({ event: { body } }: { event: wire.Event }) => {
    if (body?.$case !== 'roleChange') return;
    changes.push(body.value);
    if (body.value.decision > 0n) stop.abort();
  };
  const patience = AbortSignal.any([stop.signal, AbortSignal.timeout(10_000)]);
  await log.subscribe({ topics: ['roles'], group: 'test', from: 'earliest', onEvent }, patience);
  return changes;
}

function controllerPids(system: RunningSystem): number[] {
  return system.log().flatMap(({ event, pid }) => (event === 'controller.ready' && pid !== undefined ? [pid] : []));
}

function ledgerPath(system: RunningSystem): string {
  return join(system.folder, 'run/controller.ledger.json');
}

function ledgerOf(system: RunningSystem): { moves: object[]; decisions: object[] } {
  return JSON.parse(readFileSync(ledgerPath(system), 'utf8'));
}
