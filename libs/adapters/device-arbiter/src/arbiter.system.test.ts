import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DeviceArbiter, DeviceArbiterServer } from './index.js';

const never = new AbortController().signal;
const clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };
let folder = '';
let socketPath = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tercet-arbiter-'));
  socketPath = join(folder, 'cores.sock');
});
afterEach(() => rm(folder, { recursive: true }));

describe('DeviceArbiter', () => {
  test('two busy processes never hold more cores than there are, and both get on', async () => {
    await using server = await DeviceArbiterServer.open({ socketPath, cores: 2, clock });
    using a = await DeviceArbiter.connect(socketPath);
    using b = await DeviceArbiter.connect(socketPath);
    let inUse = 0;
    let most = 0;
    const work = async (arbiter: DeviceArbiter, steps: number) => {
      for (let step = 0; step < steps; step++) {
        const grant = await arbiter.acquire({ threadsMax: 9 }, never);
        inUse += grant.threads;
        most = Math.max(most, inUse);
        await sleep(1);
        inUse -= grant.threads;
        grant.release();
      }
    };
    await Promise.all([work(a, 40), work(b, 40)]);
    expect(most).toBe(2);
    await sleep(50);
    expect(server.heldCores).toBe(0);
  });

  test('a process that dies gives back what it held', async () => {
    await using server = await DeviceArbiterServer.open({ socketPath, cores: 1, clock });
    const dying = await DeviceArbiter.connect(socketPath);
    using other = await DeviceArbiter.connect(socketPath);
    await dying.acquire({ threadsMax: 9 }, never);
    const waiting = other.acquire({ threadsMax: 9 }, never);
    dying[Symbol.dispose]();
    expect((await waiting).threads).toBe(1);
    expect(server.heldCores).toBe(1);
  });

  test('a wait that is given up leaves no place in the queue', async () => {
    await using _server = await DeviceArbiterServer.open({ socketPath, cores: 1, clock });
    using a = await DeviceArbiter.connect(socketPath);
    using b = await DeviceArbiter.connect(socketPath);
    const first = await a.acquire({ threadsMax: 9 }, never);
    const abort = new AbortController();
    const waiting = b.acquire({ threadsMax: 9 }, abort.signal);
    abort.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    first.release();
    expect((await a.acquire({ threadsMax: 9 }, never)).threads).toBe(1);
  });

  test('without an arbiter a step gets one core', async () => {
    const server = await DeviceArbiterServer.open({ socketPath, cores: 8, clock });
    using a = await DeviceArbiter.connect(socketPath);
    await server[Symbol.asyncDispose]();
    await sleep(20);
    expect((await a.acquire({ threadsMax: 9 }, never)).threads).toBe(1);
  });
});
