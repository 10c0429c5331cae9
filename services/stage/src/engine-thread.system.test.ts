import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { DeviceArbiter, DeviceArbiterServer } from '@tercet/device-arbiter';
import { type DecodeTask, greedySampling, type KvExport, type PrefillTask } from '@tercet/engine';
import { EngineThread } from '@tercet/engine-thread';
import { systemClock } from '@tercet/telemetry';
import { SharedMemory } from '@tercet/tensor-plane';
import { StageConfig } from './config.js';

const never = new AbortController().signal;
const memory = SharedMemory.open();
afterAll(() => memory.close());

describe('an engine on its own thread', () => {
  test('two of them write the same text, and give back what they held', async () => {
    const texts: number[][] = [];
    for (let run = 0; run < 2; run++) {
      await using engine = await open();
      texts.push(...(await Promise.all([generate(engine, promptOf(40)), generate(engine, promptOf(90))])));
      await settled(engine);
      expect(engine.load()).toMatchObject({ waiting: 0, running: 0, kvBlocksUsed: 0 });
    }
    const [a, b, c, d] = texts;
    expect([a, b]).toEqual([c, d]);
    expect([a?.length, b?.length]).toEqual([9, 9]);
  });

  test('tells what its steps computed and how long that took', async () => {
    await using engine = await open();
    await generate(engine, promptOf(40));
    const { samples } = engine.work.since(0);
    expect(samples).toMatchObject([
      { stage: 'prefill', tokens: 40, squares: 1600 },
      ...Array.from({ length: 8 }, (_, i) => ({ stage: 'decode', batch: 1, contextTokens: 41 + i })),
    ]);
    expect(samples.every(({ ms }) => ms > 0 && ms < 10_000)).toBe(true);
  });

  test('layers become readable while a prompt computes, and rows stay until they are released', async () => {
    await using engine = await open();
    let first: Uint8Array | undefined;
    for await (const output of engine.prefill(prefillTask(promptOf(64)), never)) {
      if (output.kind !== 'started') continue;
      for (let layer = 0; layer < engine.descriptor.layerCount; layer++) await output.kv.layerReady(layer, never);
      first = output.kv.rows(0, 'k').slice();
      expect(first.some((byte) => byte !== 0)).toBe(true);
      expect(engine.load().kvBlocksUsed).toBeGreaterThan(0);
      output.kv.release();
      expect(() => output.kv.rows(0, 'k')).toThrow('released');
    }
    await settled(engine);
    expect(first?.length).toBe(64 * engine.descriptor.kvRowBytes);
  });

  test('the first layers are readable before there is a first token', async () => {
    await using engine = await open();
    const seen: string[] = [];
    let kv: KvExport | undefined;
    for await (const output of engine.prefill(prefillTask(promptOf(250)), never)) {
      if (output.kind === 'firstToken') seen.push('first token');
      else {
        kv = output.kv;
        void kv.layerReady(0, never).then(() => seen.push('layer 0'));
      }
    }
    kv?.release();
    expect(seen).toEqual(['layer 0', 'first token']);
  });

  test('whoever leaves early leaves nothing behind', async () => {
    await using engine = await open();
    for (const afterMs of [0, 1, 5, 20]) {
      const left = new AbortController();
      const running = generate(engine, promptOf(200), left.signal).catch((error: unknown) => error);
      setTimeout(() => left.abort(), afterMs);
      await expect(running).resolves.toMatchObject({ code: 'cancelled' });
    }
    for await (const output of engine.prefill(prefillTask(promptOf(100)), never)) {
      if (output.kind === 'started') output.kv.release();
      break;
    }
    await settled(engine);
    expect(engine.load()).toMatchObject({ waiting: 0, running: 0, kvBlocksUsed: 0 });
  });

  test.each(['prefill', 'decode'])('a %s process that starts waits for cores before it computes', async (role) => {
    const folder = mkdtempSync(join(tmpdir(), 'tercet-cores-'));
    const arbiterSocket = join(folder, 'cores.sock');
    await using server = await DeviceArbiterServer.open({ socketPath: arbiterSocket, cores: 1, clock: systemClock });
    using other = await DeviceArbiter.connect(arbiterSocket);
    const grant = await other.acquire({ threadsMax: 1 }, never);
    const opening = open({ role, arbiterSocket });
    while (server.waitingCount === 0) await Promise.race([opening.then(refuseEarly), sleep(5)]);
    grant.release();
    await using engine = await opening;
    expect(await generate(engine, promptOf(40))).toHaveLength(9);
    rmSync(folder, { recursive: true });
  });

  test('an error keeps its code on the way', async () => {
    await using engine = await open();
    await expect(generate(engine, promptOf(5000))).rejects.toMatchObject({ code: 'prompt_too_long' });
    const grammar = { ...greedySampling, grammar: '{ no schema' };
    const reading = engine.prefill({ ...prefillTask(promptOf(8)), sampling: grammar }, never).next();
    await expect(reading).rejects.toMatchObject({ code: 'grammar_unsupported' });
  });

  test('a model that is not there is refused with its code', async () => {
    await expect(open({ model: { name: 'none', path: '/nowhere.gguf' } })).rejects.toMatchObject({
      code: 'model_file_missing',
    });
  });

  test('what runs when it is closed fails, and nothing is taken afterwards', async () => {
    const engine = await open();
    const running = generate(engine, promptOf(400)).catch((error: unknown) => error);
    await engine.close(AbortSignal.abort());
    await expect(running).resolves.toMatchObject({
      code: expect.stringMatching(/^(shutting_down|cancelled|draining)$/),
    });
  });
});

function refuseEarly(): never {
  throw new Error('the engine computed without cores');
}

async function open(more: object = {}): Promise<EngineThread> {
  const path = fileURLToPath(new URL('../../../models/tiny/tercet-tiny.gguf', import.meta.url));
  const config = StageConfig.parse({
    podId: 'test-0',
    grpcEndpoint: 'unix:/unused',
    tensors: { kind: 'unix', path: '/unused' },
    threads: 1,
    model: { name: 'tercet-tiny', path },
    engine: { slotCount: 4, contextTokensMax: 512 },
    ...more,
  });
  return EngineThread.open({
    script: new URL('../dist/engine-worker.js', import.meta.url),
    data: config,
    allocateArena: (bytes) => {
      const arena = memory.allocate({ bytes, label: 'kv' });
      return { address: arena.address, view: arena.view() };
    },
    onCrash: (error) => {
      throw error;
    },
  });
}

function promptOf(length: number): Uint32Array {
  return Uint32Array.from({ length }, (_, i) => 30 + ((i * 37) % 600));
}

function prefillTask(tokenIds: Uint32Array): PrefillTask {
  return { requestId: 'r', tokenIds, media: [], generatedTokens: 0, sampling: { ...greedySampling, ignoreEos: true } };
}

async function generate(engine: EngineThread, tokenIds: Uint32Array, signal = never): Promise<number[]> {
  const task: DecodeTask = { ...prefillTask(tokenIds), tokensMax: 8 };
  const text: number[] = [];
  let kv: KvExport | undefined;
  try {
    for await (const output of engine.prefill(prefillTask(tokenIds), signal)) {
      if (output.kind === 'started') kv = output.kv;
      else text.push(output.token.tokenId);
    }
    if (kv === undefined) throw new Error('no KV');
    await using session = await engine.reserve(task, signal);
    for (let layer = 0; layer < engine.descriptor.layerCount; layer++) {
      for (const part of ['k', 'v'] as const) session.rows(layer, part).set(kv.rows(layer, part));
    }
    for await (const output of session.run(text[0] as number, signal)) {
      if (output.kind === 'token') text.push(output.token.tokenId);
    }
    return text;
  } finally {
    kv?.release();
  }
}

/** Until the thread has heard of everything that was released. */
async function settled(engine: EngineThread): Promise<void> {
  for (let i = 0; i < 200 && engine.load().kvBlocksUsed + engine.load().running > 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
