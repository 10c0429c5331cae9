import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { FactJournal, PodFacts } from '@tercet/facts';
import { GrpcChannel, GrpcServer, service } from '@tercet/grpc';
import type { Log } from '@tercet/telemetry';
import { followFacts, followWork } from './follow.js';

const prefill = { role: wire.Role.ROLE_PREFILL, epoch: 1n };

let folder = '';
let opened: AsyncDisposableStack;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-follow-'));
  opened = new AsyncDisposableStack();
});
afterEach(async () => {
  await opened.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
});

/** A worker process that can be killed and started again, as far as its facts show it. */
class Worker {
  readonly endpoint = `unix:${folder}/worker.sock`;
  journal = new FactJournal({ generation: 1n });
  /** Numbers of changes that are lost on the way. */
  readonly lost = new Set<bigint>();
  #server: GrpcServer | undefined;

  async start(generation: bigint): Promise<void> {
    this.journal = new FactJournal({ generation });
    this.journal.setRole(prefill);
    await this.serve();
  }

  async serve(): Promise<void> {
    const watchFacts = (request: wire.WatchFactsRequest, { signal }: { signal: AbortSignal }) =>
      this.#lossy(this.journal.watch(request, signal));
    this.#server = await GrpcServer.open(this.endpoint, [service(wire.FactsDefinition, { watchFacts })]);
  }

  async cut(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  async *#lossy(messages: AsyncIterable<wire.FactsMessage>): AsyncGenerator<wire.FactsMessage> {
    for await (const message of messages) if (!this.lost.delete(message.sequence)) yield message;
  }
}

function followed(worker: Worker) {
  const facts = new PodFacts({ keysMax: 100 });
  const channel = opened.use(GrpcChannel.open(worker.endpoint));
  const stop = new AbortController();
  const events: string[] = [];
  const log = { info: (event: string) => events.push(event) } as unknown as Log;
  let gaps = 0;
  const onGap = () => {
    gaps++;
  };
  const following = followFacts({ endpoint: worker.endpoint, channel, facts }, { onGap, log }, stop.signal);
  opened.defer(async () => {
    stop.abort();
    await following;
    await worker.cut();
  });
  return { facts, events, gaps: () => gaps };
}

/** The test's own time limit ends a wait in vain. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

describe('facts that a gateway follows', () => {
  test('vanish with the process, and come anew with the next one', async () => {
    const worker = new Worker();
    await worker.start(1n);
    worker.journal.changePrefixes({ stored: [1], evicted: [] });
    const { facts, events } = followed(worker);
    await until(() => facts.storedBlocks([1]) === 1);
    await worker.cut();
    await until(() => facts.storedBlocks([1]) === 0);
    expect(facts.isOf(prefill)).toBe(false);
    await worker.start(2n);
    worker.journal.changePrefixes({ stored: [2], evicted: [] });
    await until(() => facts.storedBlocks([2]) === 1);
    expect([facts.storedBlocks([1]), facts.place.generation]).toEqual([0, 2n]);
    expect(events).toEqual(['facts.lost']);
    expect(worker.journal.resyncs).toEqual({ first: 0, restarted: 1, expired: 0, slow: 0 });
  });

  test('go on where a connection broke, without a snapshot', async () => {
    const worker = new Worker();
    await worker.start(1n);
    worker.journal.changePrefixes({ stored: [1], evicted: [] });
    const { facts } = followed(worker);
    await until(() => facts.storedBlocks([1]) === 1);
    await worker.cut();
    await until(() => !facts.isOf(prefill));
    worker.journal.changePrefixes({ stored: [2], evicted: [] });
    await worker.serve();
    await until(() => facts.storedBlocks([1, 2]) === 2);
    expect(worker.journal.resyncs).toEqual({ first: 1, restarted: 0, expired: 0, slow: 0 });
  });

  test('with a change missing are forgotten, counted, and asked for anew', async () => {
    const worker = new Worker();
    await worker.start(1n);
    const { facts, events, gaps } = followed(worker);
    await until(() => facts.isOf(prefill));
    worker.lost.add(worker.journal.sequence + 1n);
    worker.journal.changePrefixes({ stored: [1], evicted: [] });
    worker.journal.changePrefixes({ stored: [2], evicted: [] });
    await until(() => facts.storedBlocks([1, 2]) === 2);
    expect([gaps(), events]).toEqual([1, ['facts.gap']]);
    expect(worker.journal.resyncs.first).toBe(2);
  });

  test('of a worker that has none to tell are asked for again, and reported once', async () => {
    const worker = new Worker();
    const other = { drain: async () => wire.WorkerStatus.fromPartial({}) };
    const rest = { getStatus: other.drain, setRole: other.drain, async *watchLoad() {} };
    const server = await GrpcServer.open(worker.endpoint, [service(wire.WorkerDefinition, { ...other, ...rest })]);
    const { facts, events } = followed(worker);
    await sleep(600);
    expect([facts.isOf(prefill), events]).toEqual([false, ['facts.lost']]);
    await server[Symbol.asyncDispose]();
  });
});

test('the steps of a pod are heard over every stream that it gives', async () => {
  const endpoint = `unix:${folder}/worker.sock`;
  const status = async () => wire.WorkerStatus.fromPartial({});
  const report = wire.LoadReport.fromPartial({ work: [{ ms: 3, step: { $case: 'encode', value: { patches: 4 } } }] });
  const watchLoad = async function* () {
    yield report;
  };
  const worker = { getStatus: status, setRole: status, drain: status, watchLoad };
  opened.use(await GrpcServer.open(endpoint, [service(wire.WorkerDefinition, worker)]));
  const channel = opened.use(GrpcChannel.open(endpoint));
  const stop = new AbortController();
  const heard: number[] = [];
  const onWork = (work: readonly wire.WorkSample[]) => {
    heard.push(...work.map(({ ms }) => ms));
    if (heard.length === 2) stop.abort();
  };
  await followWork({ endpoint, channel, facts: new PodFacts({ keysMax: 1 }) }, { intervalMs: 50, onWork }, stop.signal);
  expect(heard).toEqual([3, 3]);
});
