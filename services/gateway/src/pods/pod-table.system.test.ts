import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { GrpcServer, service } from '@tercet/grpc';
import { type Log, systemClock } from '@tercet/telemetry';
import { PodTable } from './pod-table.js';

const { PHASE_READY, PHASE_DRAINING } = wire.Phase;
const longMs = 60_000;

let folder = '';
let opened: AsyncDisposableStack;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-pods-'));
  opened = new AsyncDisposableStack();
});
afterEach(async () => {
  await opened.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
});

/** A worker that says of itself what the test wants, over a real socket. */
class Worker {
  readonly endpoint: string;
  readonly asked: number[] = [];
  says: Partial<wire.WorkerStatus>;
  #server: GrpcServer | undefined;

  constructor(podId: string, says: Partial<wire.WorkerStatus> = {}) {
    this.endpoint = `unix:${folder}/${podId}.sock`;
    this.says = { podId, role: wire.Role.ROLE_PREFILL, epoch: 1n, phase: PHASE_READY, model: 'm', ...says };
  }

  async start(): Promise<this> {
    const status = async () => {
      this.asked.push(performance.now());
      return wire.WorkerStatus.fromPartial(this.says);
    };
    const worker = { getStatus: status, setRole: status, drain: status, async *watchLoad() {} };
    this.#server = await GrpcServer.open(this.endpoint, [service(wire.WorkerDefinition, worker)]);
    return this;
  }

  async stop(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = undefined;
  }
}

async function startWorker(podId: string, says: Partial<wire.WorkerStatus> = {}): Promise<Worker> {
  const worker = await new Worker(podId, says).start();
  opened.defer(() => worker.stop());
  return worker;
}

function openTable(workers: readonly Worker[], pollMs = longMs): { table: PodTable; events: string[] } {
  const events: string[] = [];
  const log = { info: (event: string) => events.push(event) } as unknown as Log;
  const discovery = { endpoints: async () => workers.map(({ endpoint }) => endpoint) };
  const table = new PodTable({ discovery, pollMs, clock: systemClock, log });
  opened.use(table);
  return { table, events };
}

async function until(isTrue: () => boolean, table: PodTable): Promise<void> {
  const signal = AbortSignal.timeout(5000);
  while (!isTrue()) await table.changed(signal);
}

describe('the pods that a gateway knows', () => {
  test('one that is ready can serve, with its role and epoch; one that drains cannot', async () => {
    const ready = await startWorker('p0', { epoch: 7n, modelDigest: 'd' });
    const draining = await startWorker('p1', { phase: PHASE_DRAINING });
    const { table } = openTable([ready, draining]);
    await until(() => table.statuses().length === 2, table);
    const [view, ...others] = table.ready();
    expect(view).toMatchObject({ podId: 'p0', role: wire.Role.ROLE_PREFILL, epoch: 7n, modelDigest: 'd', busy: 0 });
    expect(others).toEqual([]);
  });

  test('one whose word counts for nothing serves nothing, until it counts again', async () => {
    const worker = await startWorker('p0');
    let isTrusted = false;
    const log = { info: () => undefined } as unknown as Log;
    const discovery = { endpoints: async () => [worker.endpoint] };
    const table = opened.use(
      new PodTable({ discovery, pollMs: longMs, isTrusted: () => isTrusted, clock: systemClock, log }),
    );
    await until(() => table.statuses().length === 1, table);
    expect(table.ready()).toEqual([]);
    isTrusted = true;
    expect(table.ready()).toMatchObject([{ podId: 'p0' }]);
  });

  test('what runs there counts, and calls of this gateway that no report has yet', async () => {
    const worker = await startWorker('p0', { load: wire.LoadReport.fromPartial({ waiting: 1, running: 2 }) });
    const { table } = openTable([worker]);
    await until(() => table.ready().length === 1, table);
    expect(table.ready()[0]?.busy).toBe(3);
    const { pod } = table.ready()[0] ?? {};
    if (pod !== undefined) pod.calls = 5;
    expect(table.ready()[0]?.busy).toBe(5);
  });

  test('one that is forgotten serves nothing until it was asked again, which is at once', async () => {
    const worker = await startWorker('p0');
    const { table } = openTable([worker]);
    await until(() => table.ready().length === 1, table);
    worker.says = { ...worker.says, role: wire.Role.ROLE_DECODE, epoch: 2n };
    const { pod } = table.ready()[0] ?? {};
    if (pod !== undefined) table.forget(pod);
    expect(table.ready()).toEqual([]);
    await until(() => table.ready().length === 1, table);
    expect(table.ready()[0]).toMatchObject({ role: wire.Role.ROLE_DECODE, epoch: 2n });
  });

  test('one that is lost and comes back serves again; both are logged, once each', async () => {
    const worker = await startWorker('p0');
    const { table, events } = openTable([worker], 100);
    await until(() => table.ready().length === 1, table);
    await worker.stop();
    await until(() => table.ready().length === 0, table);
    await until(() => events.includes('pod.lost'), table);
    await worker.start();
    await until(() => table.ready().length === 1, table);
    expect(events).toEqual(['pod.lost', 'pod.back']);
  });

  test('one that comes later serves, and one that left is not known any more', async () => {
    const workers = [await startWorker('p0')];
    const { table } = openTable(workers);
    await until(() => table.ready().length === 1, table);
    workers.push(await startWorker('p1'));
    await until(() => table.ready().length === 2, table);
    workers.shift();
    for (let i = 0; i < 50 && table.statuses().length > 1; i++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(table.statuses()).toMatchObject([{ podId: 'p1' }]);
  });

  test('nobody can say which pods there are: those that are known go on serving', async () => {
    const worker = await startWorker('p0');
    let answers = true;
    const endpoints = async () => {
      if (!answers) throw new Error('no name server');
      return [worker.endpoint];
    };
    const events: string[] = [];
    const log = { error: (event: string) => events.push(event) } as unknown as Log;
    const table = opened.use(new PodTable({ discovery: { endpoints }, pollMs: 100, clock: systemClock, log }));
    await until(() => table.ready().length === 1, table);
    answers = false;
    await until(() => events.length > 0, table);
    expect(table.ready()).toHaveLength(1);
    expect(events).toEqual(['pods.discovery_failed']);
  });

  test('who waits for a pod is told that there is none when its time is over', async () => {
    const { table } = openTable([]);
    await expect(table.changed(AbortSignal.timeout(50))).rejects.toMatchObject({ code: 'no_pod' });
    await expect(table.changed(AbortSignal.abort())).rejects.toMatchObject({ code: 'no_pod' });
  });

  test('nobody who waits: a pod is asked at the interval, not more often', async () => {
    const worker = await startWorker('p0');
    const { table } = openTable([worker], 400);
    await until(() => table.ready().length === 1, table);
    const before = worker.asked.length;
    await new Promise((resolve) => setTimeout(resolve, 1300));
    expect(worker.asked.length - before).toBeGreaterThanOrEqual(1);
    expect(worker.asked.length - before).toBeLessThanOrEqual(4);
  });
});
