import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { TercetError, wire } from '@tercet/contracts';
import type { ServiceImplementation } from 'nice-grpc';
import { type CallGate, GrpcChannel, GrpcServer, service } from './index.js';

const soon = () => BigInt(Date.now() + 60_000);
const contextOf = (more: Partial<wire.CallContext> = {}): wire.CallContext =>
  wire.CallContext.fromPartial({ requestId: 'r', deadlineUnixMs: soon(), role: 2, epoch: 1n, ...more });

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-grpc-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

type Worker = ServiceImplementation<typeof wire.WorkerDefinition>;
type Prefill = ServiceImplementation<typeof wire.PrefillDefinition>;

const idleWorker: Worker = {
  getStatus: async () => wire.WorkerStatus.create(),
  setRole: async () => wire.WorkerStatus.create(),
  drain: async () => wire.WorkerStatus.create(),
  async *watchLoad() {},
};

async function openWorker(worker: Partial<Worker>, endpoint = `unix:${folder}/s.sock`) {
  const server = await GrpcServer.open(endpoint, [service(wire.WorkerDefinition, { ...idleWorker, ...worker })]);
  const channel = GrpcChannel.open(server.endpoint);
  return { server, channel, client: channel.client(wire.WorkerDefinition) };
}

describe('errors', () => {
  test.each(['unix', 'tcp'])('code and details of a failure reach the caller over %s', async (kind) => {
    const endpoint = kind === 'unix' ? `unix:${folder}/s.sock` : '127.0.0.1:0';
    const fail = new TercetError('prompt_too_long', { promptTokens: 9, model: 'größer ☃', epoch: 7n });
    const worker = { setRole: async () => Promise.reject(fail) };
    const { server, channel, client } = await openWorker(worker, endpoint);
    const thrown = await client.setRole({ role: 1 }).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(TercetError);
    expect(thrown).toMatchObject({
      code: 'prompt_too_long',
      details: { promptTokens: 9, model: 'größer ☃', epoch: '7' },
    });
    channel.close();
    await server[Symbol.asyncDispose]();
  });

  test('a failure inside a stream comes after what was sent before it', async () => {
    const { server, channel, client } = await openWorker({
      async *watchLoad() {
        yield wire.LoadReport.create({ running: 1 });
        throw new Error('secret text');
      },
    });
    const seen: number[] = [];
    const read = async () => {
      for await (const report of client.watchLoad({})) seen.push(report.running);
    };
    await expect(read()).rejects.toMatchObject({ code: 'internal', message: expect.not.stringContaining('secret') });
    expect(seen).toEqual([1]);
    channel.close();
    await server[Symbol.asyncDispose]();
  });

  test('a server that is not there is pod_unreachable', async () => {
    using channel = GrpcChannel.open(`unix:${folder}/nobody.sock`);
    const call = channel.client(wire.WorkerDefinition).getStatus({});
    await expect(call).rejects.toMatchObject({ code: 'pod_unreachable' });
  });

  test('a call that the server cuts is pod_unreachable, not cancelled', async () => {
    const { server, channel, client } = await openWorker({ getStatus: () => new Promise(() => {}) });
    const call = client.getStatus({}).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server[Symbol.asyncDispose]();
    expect(await call).toMatchObject({ code: 'pod_unreachable' });
    channel.close();
  });
});

describe('listening', () => {
  test('an endpoint in use is port_in_use', async () => {
    const { server, channel } = await openWorker({}, '127.0.0.1:0');
    await expect(GrpcServer.open(server.endpoint, [])).rejects.toMatchObject({ code: 'port_in_use' });
    channel.close();
    await server[Symbol.asyncDispose]();
    const unix = await openWorker({});
    await expect(GrpcServer.open(unix.server.endpoint, [])).rejects.toMatchObject({ code: 'port_in_use' });
    unix.channel.close();
    await unix.server[Symbol.asyncDispose]();
  });

  test('an endpoint that is none is refused', async () => {
    writeFileSync(join(folder, 'file'), '');
    for (const endpoint of ['nowhere', 'unix:relative', `http://127.0.0.1:1`]) {
      await expect(GrpcServer.open(endpoint, [])).rejects.toMatchObject({ code: 'config_invalid' });
    }
  });

  test('closing waits for running calls and takes no new ones', async () => {
    const answer = Promise.withResolvers<void>();
    const { server, channel, client } = await openWorker({
      getStatus: async () => {
        await answer.promise;
        return wire.WorkerStatus.create({ podId: 'done' });
      },
    });
    const running = client.getStatus({});
    await new Promise((resolve) => setTimeout(resolve, 50));
    const closed = server.close(new AbortController().signal);
    await expect(client.setRole({})).rejects.toMatchObject({ code: 'pod_unreachable' });
    answer.resolve();
    expect((await running).podId).toBe('done');
    await closed;
    channel.close();
  });
});

describe('streams', () => {
  test('a stalled reader bounds its producer', async () => {
    let sent = 0;
    const podId = 'x'.repeat(64 * 1024);
    const { server, channel, client } = await openWorker({
      async *watchLoad() {
        for (; sent < 5000; sent++) yield wire.LoadReport.create({ podId, running: sent });
      },
    });
    const iterator = client.watchLoad({})[Symbol.asyncIterator]();
    await iterator.next();
    const stalled = await whenStill(() => sent);
    // Windows of both sides plus socket buffers, far under the 312 MiB of the whole stream.
    expect(stalled * podId.length).toBeLessThan(64 * 1024 * 1024);
    let read = 1;
    while (!(await iterator.next()).done) read++;
    expect(read).toBe(5000);
    channel.close();
    await server[Symbol.asyncDispose]();
  });

  test('a caller that aborts stops the producer and gets its own reason', async () => {
    const stopped = Promise.withResolvers<boolean>();
    const { server, channel, client } = await openWorker({
      async *watchLoad(_request, context) {
        context.signal.addEventListener('abort', () => stopped.resolve(true));
        yield wire.LoadReport.create();
        await stopped.promise;
      },
    });
    const abort = new AbortController();
    const read = async () => {
      for await (const _ of client.watchLoad({}, { signal: abort.signal })) {
        abort.abort(new TercetError('deadline_exceeded', { by: 'caller' }));
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'deadline_exceeded', details: { by: 'caller' } });
    expect(await stopped.promise).toBe(true);
    channel.close();
    await server[Symbol.asyncDispose]();
  });

  test('a reader that leaves its loop stops the producer', async () => {
    const stopped = Promise.withResolvers<void>();
    const { server, channel, client } = await openWorker({
      async *watchLoad(_request, context) {
        context.signal.addEventListener('abort', () => stopped.resolve());
        while (!context.signal.aborted) {
          yield wire.LoadReport.create();
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      },
    });
    for await (const _ of client.watchLoad({})) break;
    await stopped.promise;
    channel.close();
    await server[Symbol.asyncDispose]();
  });

  test('fields that nobody knows yet are tolerated', async () => {
    const { server } = await openWorker(
      { setRole: async ({ role }) => wire.WorkerStatus.create({ role }) },
      '127.0.0.1:0',
    );
    // SetRoleRequest {role: 3}, then field 99 (text) and field 100 (varint) of a later version.
    const message = Buffer.concat([Buffer.from([8, 3, 0x9a, 6, 3]), Buffer.from('new'), Buffer.from([0xa0, 6, 1])]);
    const session = connect(`http://${server.endpoint}`);
    const call = session.request({
      ':method': 'POST',
      ':path': '/tercet.v1.Worker/SetRole',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    call.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
    const chunks: Buffer[] = [];
    for await (const chunk of call) chunks.push(chunk as Buffer);
    expect(wire.WorkerStatus.decode(Buffer.concat(chunks).subarray(5)).role).toBe(wire.Role.ROLE_DECODE);
    session.close();
    await server[Symbol.asyncDispose]();
  });
});

describe('gate', () => {
  const entered: wire.CallContext[] = [];
  const gateOf = (more: Partial<CallGate> = {}) => {
    const log = { open: 0, worked: 0, drain: new AbortController() };
    const gate: CallGate = {
      enter(context) {
        if (context === undefined) throw new TercetError('invalid_request', { field: 'context' });
        if (context.epoch !== 1n) throw new TercetError('epoch_stale', { epoch: 1n, asked: context.epoch });
        entered.push(context);
        log.open++;
        return { signal: log.drain.signal, [Symbol.dispose]: () => log.open-- };
      },
      ...more,
    };
    return { gate, log };
  };

  async function openGated(worked: Prefill['prefill'], gate: CallGate) {
    const decode: ServiceImplementation<typeof wire.DecodeDefinition> = {
      async *decode(commands) {
        for await (const { command } of commands) {
          if (command?.$case === 'open') {
            yield {
              event: { $case: 'finished', value: wire.DecodeFinished.create({ tokens: command.value.tokensMax }) },
            };
          }
        }
      },
    };
    const server = await GrpcServer.open(`unix:${folder}/g.sock`, [
      service(wire.PrefillDefinition, { prefill: worked }, { gate, role: wire.Role.ROLE_PREFILL }),
      service(wire.DecodeDefinition, decode, { gate, role: wire.Role.ROLE_DECODE }),
    ]);
    const channel = GrpcChannel.open(server.endpoint);
    return { server, channel };
  }

  test('a stale epoch is refused before the work begins', async () => {
    const { gate, log } = gateOf();
    const { server, channel } = await openGated(async function* () {
      log.worked++;
      yield wire.PrefillEvent.create();
    }, gate);
    const client = channel.client(wire.PrefillDefinition);
    const call = (epoch: bigint) => collect(client.prefill({ context: contextOf({ epoch }) }));
    await expect(call(2n)).rejects.toMatchObject({ code: 'epoch_stale', details: { epoch: '1', asked: '2' } });
    expect(log.worked).toBe(0);
    expect(await call(1n)).toHaveLength(1);
    expect(log).toMatchObject({ worked: 1, open: 0 });
    await expect(collect(client.prefill({}))).rejects.toMatchObject({ code: 'invalid_request' });
    channel.close();
    await server[Symbol.asyncDispose]();
  });

  test('of a request stream the first message is checked, and still delivered', async () => {
    const { gate, log } = gateOf();
    const { server, channel } = await openGated(async function* () {}, gate);
    const client = channel.client(wire.DecodeDefinition);
    async function* commands(epoch: bigint) {
      const open = wire.DecodeOpen.fromPartial({ context: contextOf({ epoch }), tokensMax: 5 });
      yield { command: { $case: 'open' as const, value: open } };
    }
    const events = await collect(client.decode(commands(1n)));
    expect(events[0]?.event).toMatchObject({ $case: 'finished', value: { tokens: 5 } });
    await expect(collect(client.decode(commands(9n)))).rejects.toMatchObject({ code: 'epoch_stale' });
    async function* nothing() {}
    await expect(collect(client.decode(nothing()))).rejects.toMatchObject({ code: 'stage_protocol' });
    expect(log.open).toBe(0);
    channel.close();
    await server[Symbol.asyncDispose]();
  });

  test('work ends at its deadline, and at the end of a drain, with that code', async () => {
    const { gate, log } = gateOf();
    const { server, channel } = await openGated(async function* (_request, { signal }) {
      yield wire.PrefillEvent.create();
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('whatever'))));
    }, gate);
    const client = channel.client(wire.PrefillDefinition);
    const call = (deadlineUnixMs: bigint) => collect(client.prefill({ context: contextOf({ deadlineUnixMs }) }));
    await expect(call(BigInt(Date.now() + 50))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await expect(call(BigInt(Date.now() - 5))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    const drained = call(soon());
    setTimeout(() => log.drain.abort(new TercetError('draining', { role: 'prefill' })), 30);
    await expect(drained).rejects.toMatchObject({ code: 'draining', details: { role: 'prefill' } });
    expect(log.open).toBe(0);
    channel.close();
    await server[Symbol.asyncDispose]();
  });
});

/** The value, once it has not changed for half a second. */
async function whenStill(value: () => number): Promise<number> {
  let last = value();
  for (let quietMs = 0; quietMs < 500; quietMs += 50) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (value() !== last) quietMs = 0;
    last = value();
  }
  return last;
}
