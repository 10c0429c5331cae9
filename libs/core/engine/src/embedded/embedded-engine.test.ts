import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import type { PrefillOutput } from '../stage-engine.js';
import type { EmbeddedEngine } from './embedded-engine.js';
import { FakeBackend } from './fake-backend.js';
import type { CoreNeed } from './options.js';
import {
  collect,
  decodeTask,
  generate,
  greedy,
  mediaRows,
  never,
  openTestEngine,
  prefillTask,
  promptOf,
  turnOfEventLoop,
} from './testing.js';

const empty = { waiting: 0, running: 0, kvBlocksUsed: 0 };

describe('EmbeddedEngine', () => {
  test('a text handed over between two engines equals the text of one engine', async () => {
    const a = openTestEngine().engine;
    const b = openTestEngine().engine;
    const request = { tokenIds: promptOf(70), tokensMax: 12 };
    const alone = await generate({ prefill: a, decode: a }, request);
    const handedOver = await generate({ prefill: a, decode: b }, request);
    expect(alone.tokenIds).toHaveLength(12);
    expect(handedOver.tokenIds).toEqual(alone.tokenIds);
    expect([alone.cachedTokens, handedOver.cachedTokens]).toEqual([0, 64]);
    expect(a.load()).toMatchObject(empty);
    expect(b.load()).toMatchObject(empty);
  });

  test('decodes of all requests share a step, and a prompt enters between steps', async () => {
    const { engine, backend } = openTestEngine();
    const requests = [1, 2, 3, 4].map((seed) => ({ tokenIds: promptOf(20, seed), tokensMax: 30 }));
    await Promise.all(requests.map((request) => generate({ prefill: engine, decode: engine }, request)));
    expect(backend.counters.rows).toBe(4 * (20 + 29));
    expect(backend.counters.steps).toBeLessThan(45);
  });

  test('layers become readable one after the other while prefill computes', async () => {
    const seen: string[] = [];
    const { engine, backend } = openTestEngine({ backend: { pause: turnOfEventLoop } });
    const prefill = engine.prefill(prefillTask(promptOf(40)), never);
    const kv = startedOf((await prefill.next()).value).kv;
    const layers = [0, 1, 2].map((layer) => kv.layerReady(layer, never).then(() => seen.push(`layer ${layer}`)));
    const first = prefill.next().then(({ value }) => seen.push(value?.kind ?? 'none'));
    await Promise.all([...layers, first]);
    expect(seen).toEqual(['layer 0', 'layer 1', 'layer 2', 'firstToken']);
    expect(backend.counters.steps).toBe(2);
    expect(engine.load()).toMatchObject({ running: 0, kvBlocksUsed: 3 });
    kv.release();
    kv.release();
    expect(engine.load()).toMatchObject(empty);
  });

  test('the end-of-text token ends a text and is not in it, unless the request ignores it', async () => {
    const request = { tokenIds: promptOf(20), tokensMax: 10 };
    const whole = await generate(both(openTestEngine().engine), request);
    const ends = new Set([whole.tokenIds[4] as number]);
    const cut = await generate(both(openTestEngine({ endOfTextTokenIds: ends }).engine), request);
    expect(cut).toMatchObject({ tokenIds: whole.tokenIds.slice(0, 4), reason: 'stop' });
    const sampling = { ...greedy, ignoreEos: true };
    const ignored = await generate(both(openTestEngine({ endOfTextTokenIds: ends }).engine), { ...request, sampling });
    expect(ignored.tokenIds).toEqual(whole.tokenIds);
  });

  test.each([
    { name: 'one more token', tokensMax: 1, reason: 'length', tokens: 1 },
    { name: 'no more token', tokensMax: 0, reason: 'length', tokens: 0 },
    { name: 'more tokens than the context holds', tokensMax: 999, reason: 'length', tokens: 56 },
  ])('a decode of $name ends by its length', async ({ tokensMax, reason, tokens }) => {
    const { engine } = openTestEngine({ backend: { contextTokensMax: 96 } });
    await using session = await engine.reserve(decodeTask(promptOf(40), tokensMax), never);
    const outputs = await collect(session.run(5, never));
    expect(outputs.at(-1)).toMatchObject({ kind: 'finished', reason, tokens });
    expect(outputs).toHaveLength(tokens + 1);
    expect(engine.load()).toMatchObject(empty);
  });

  test('two images of one size and shape do not share a prefix', async () => {
    const { engine } = openTestEngine();
    const tokenIds = promptOf(60);
    const withImage = (content: number) => ({ tokenIds, tokensMax: 6, media: [mediaRows(10, 20, content)] });
    const cat = await generate(both(engine), withImage(1));
    const dog = await generate(both(engine), withImage(2));
    const catAgain = await generate(both(engine), withImage(1));
    expect([cat.cachedTokens, dog.cachedTokens, catAgain.cachedTokens]).toEqual([0, 0, 48]);
    expect(catAgain.tokenIds).toEqual(cat.tokenIds);
    expect(dog.tokenIds).not.toEqual(cat.tokenIds);
    expect(engine.load().prefixCachedTokens).toBe(48);
  });

  test('tenants share no prefix', async () => {
    const { engine } = openTestEngine();
    const request = { tokenIds: promptOf(60), tokensMax: 2 };
    await generate(both(engine), { ...request, tenant: 'a' });
    expect(await generate(both(engine), { ...request, tenant: 'b' })).toMatchObject({ cachedTokens: 0 });
    expect(await generate(both(engine), { ...request, tenant: 'a' })).toMatchObject({ cachedTokens: 48 });
  });

  test('queue and compute times of a prefill add up to its wait for the first token', async () => {
    const clock = new ManualClock();
    const pause = async () => clock.advance(10);
    const { engine } = openTestEngine({ clock, backend: { pause } });
    const other = collect(engine.prefill(prefillTask(promptOf(32, 9)), never));
    const outputs = await collect(engine.prefill(prefillTask(promptOf(40)), never));
    await other;
    expect(outputs).toMatchObject([{ queueMs: 30 }, { computeMs: 60 }]);
    expect(engine.load().stepMsMean).toBeGreaterThan(0);
  });
});

describe('EmbeddedEngine, requests it refuses', () => {
  const long = promptOf(300);
  test.each([
    { name: 'a prompt over the context', code: 'prompt_too_long', call: (e: EmbeddedEngine) => prefillAll(e, long) },
    {
      name: 'a decode over the context',
      code: 'prompt_too_long',
      call: (e: EmbeddedEngine) => reserve(e, promptOf(256)),
    },
    { name: 'an empty prompt', code: 'invalid_request', call: (e: EmbeddedEngine) => prefillAll(e, promptOf(0)) },
    {
      name: 'a token that does not exist',
      code: 'invalid_request',
      call: (e: EmbeddedEngine) => prefillAll(e, [1, 64]),
    },
    {
      name: 'media beyond the prompt',
      code: 'invalid_request',
      call: (e: EmbeddedEngine) => prefillAll(e, promptOf(20), [mediaRows(15, 6, 1)]),
    },
    {
      name: 'tiles that are not there',
      code: 'invalid_request',
      call: (e: EmbeddedEngine) => e.encode({ requestId: 'r', pixels: new Float32Array(48), tileCount: 2 }, never),
    },
    {
      name: 'a text over the context to embed',
      code: 'prompt_too_long',
      call: (e: EmbeddedEngine) => e.embed({ requestId: 'r', inputs: [long] }, never),
    },
  ])('$name: $code', async ({ code, call }) => {
    const { engine, backend } = openTestEngine();
    await expect(call(engine)).rejects.toMatchObject({ code });
    expect(engine.load()).toMatchObject(empty);
    expect(backend.counters.steps).toBe(0);
    expect(await generate(both(engine), { tokenIds: promptOf(20), tokensMax: 2 })).toMatchObject({ reason: 'length' });
  });

  test('a prompt that no memory could hold is refused at once', async () => {
    const { engine } = openTestEngine({ limits: { kvBlocksMax: 4 } });
    await expect(prefillAll(engine, promptOf(65))).rejects.toMatchObject({ code: 'prompt_too_long' });
    expect(await prefillAll(engine, promptOf(64))).toHaveLength(2);
  });

  test('a full queue refuses, and takes again when there is room', async () => {
    const { engine } = openTestEngine({ limits: { waitingMax: 2, kvBlocksMax: 4 } });
    const held = await engine.reserve(decodeTask(promptOf(50), 5), never);
    const waiting = [engine.reserve(decodeTask(promptOf(50), 5), never), prefillAll(engine, promptOf(30))];
    await turnOfEventLoop();
    expect(engine.load()).toMatchObject({ waiting: 2, kvBlocksUsed: 4 });
    await expect(prefillAll(engine, promptOf(3))).rejects.toMatchObject({ code: 'overloaded' });
    await held[Symbol.asyncDispose]();
    await (await (waiting[0] as Promise<AsyncDisposable>))[Symbol.asyncDispose]();
    expect(await waiting[1]).toHaveLength(2);
    expect(engine.load()).toMatchObject(empty);
  });

  test('a decode that cannot grow fails and leaves its room to the others', async () => {
    const { engine } = openTestEngine({ limits: { kvBlocksMax: 4 } });
    const sessions = await Promise.all([1, 2].map((seed) => engine.reserve(decodeTask(promptOf(20, seed), 40), never)));
    const runs = await Promise.allSettled(sessions.map((session) => collect(session.run(3, never))));
    const [failed, finished] = runs;
    expect(failed).toMatchObject({ status: 'rejected', reason: { code: 'kv_full' } });
    expect(finished).toMatchObject({ status: 'fulfilled' });
    expect(engine.load()).toMatchObject(empty);
  });
});

describe('EmbeddedEngine, when a step fails', () => {
  test('its requests get stage_failed, the others their text, and nothing stays behind', async () => {
    const backend = new FakeBackend({ pause: turnOfEventLoop });
    const { engine } = openTestEngine({ backend });
    const request = { tokenIds: promptOf(30), tokensMax: 8 };
    backend.failNext(new Error('out of memory'));
    await expect(generate(both(engine), request)).rejects.toMatchObject({ code: 'stage_failed' });
    expect(engine.load()).toMatchObject(empty);
    const text = await generate(both(engine), request);
    const expected = await generate(both(openTestEngine().engine), request);
    expect(text).toEqual(expected);
  });

  test('a reader that waits for a layer learns it, and still owes the release', async () => {
    const backend = new FakeBackend({ pause: turnOfEventLoop });
    const { engine } = openTestEngine({ backend });
    const prefill = engine.prefill(prefillTask(promptOf(60)), never);
    const { kv } = startedOf((await prefill.next()).value);
    backend.failNext(new TercetError('engine_incompatible'));
    await expect(kv.layerReady(2, never)).rejects.toMatchObject({ code: 'engine_incompatible' });
    await expect(prefill.next()).rejects.toMatchObject({ code: 'engine_incompatible' });
    expect(engine.load()).toMatchObject({ running: 0, kvBlocksUsed: 4 });
    kv.release();
    expect(engine.load()).toMatchObject(empty);
  });

  test('a sampler that throws fails its own request only', async () => {
    const samplerOf = ({ tokenIds }: { tokenIds: Uint32Array }) => ({
      sample: (_logits: Float32Array, position: number) => {
        if (tokenIds.length === 21 && position === 25) throw new Error('grammar has no way on');
        return { tokenId: 1 };
      },
      accept: () => undefined,
    });
    const { engine } = openTestEngine({ samplerOf });
    const texts = await Promise.allSettled(
      [20, 21, 22].map((length) => generate(both(engine), { tokenIds: promptOf(length), tokensMax: 9 })),
    );
    expect(texts.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(engine.load()).toMatchObject(empty);
  });
});

describe('EmbeddedEngine, encode and embed', () => {
  test('tiles are encoded in steps and come back in order', async () => {
    const { engine, backend } = openTestEngine({ limits: { stepTilesMax: 2 } });
    const pixels = Float32Array.from({ length: 5 * 48 }, (_, i) => i);
    const all = await engine.encode({ requestId: 'r', pixels, tileCount: 5 }, never);
    const last = await engine.encode({ requestId: 'r', pixels: pixels.subarray(4 * 48), tileCount: 1 }, never);
    expect(all).toHaveLength(5 * 2 * 4);
    expect(all.subarray(4 * 8)).toEqual(last);
    expect(backend.counters.tiles).toBe(6);
    expect(engine.load()).toMatchObject({ ...empty, steps: 4 });
  });

  test('inputs are embedded to unit vectors, each on its own', async () => {
    const { engine } = openTestEngine();
    const inputs = [promptOf(10), promptOf(30), promptOf(20)];
    const vectors = await engine.embed({ requestId: 'r', inputs }, never);
    const [alone] = await engine.embed({ requestId: 'r', inputs: [promptOf(30)] }, never);
    expect(vectors[1]).toEqual(alone);
    expect(vectors.map((vector) => Math.hypot(...vector))).toEqual([1, 1, 1].map((one) => expect.closeTo(one, 5)));
  });
});

describe('EmbeddedEngine, cores', () => {
  test('every step asks for cores, and gives them back once', async () => {
    const needs: CoreNeed[] = [];
    let held = 0;
    const acquireCores = async (need: CoreNeed) => {
      needs.push(need);
      held++;
      await turnOfEventLoop();
      return { threads: 2, release: () => void held-- };
    };
    const { engine, backend } = openTestEngine({ acquireCores });
    await generate(both(engine), { tokenIds: promptOf(40), tokensMax: 3 });
    await engine.encode({ requestId: 'r', pixels: new Float32Array(48), tileCount: 1 }, never);
    expect(needs).toEqual([
      { kind: 'prefill', tokens: 32, threadsMax: 1 },
      { kind: 'prefill', tokens: 8, threadsMax: 1 },
      { kind: 'decode', tokens: 1, threadsMax: 1 },
      { kind: 'decode', tokens: 1, threadsMax: 1 },
      { kind: 'encode', tokens: 1, threadsMax: 1 },
    ]);
    expect([held, backend.counters.steps]).toEqual([0, 4]);
  });

  test.each([
    { fixedThreads: true, triesFewer: false },
    { fixedThreads: false, triesFewer: true },
  ])('with fixedThreads $fixedThreads, fewer threads are tried: $triesFewer', async ({ fixedThreads, triesFewer }) => {
    const asked = new Set<number>();
    const acquireCores = async ({ threadsMax }: CoreNeed) => {
      asked.add(threadsMax);
      return { threads: threadsMax, release: () => undefined };
    };
    const { engine } = openTestEngine({ acquireCores, fixedThreads, threads: 2 });
    await generate(both(engine), { tokenIds: promptOf(8), tokensMax: 40 });
    expect([...asked].sort()).toEqual(triesFewer ? [1, 2] : [2]);
  });

  test('a request cancelled while it waits for cores gives the wait up', async () => {
    const abort = new AbortController();
    const acquireCores = (_need: CoreNeed, signal: AbortSignal) =>
      new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const { engine, backend } = openTestEngine({ acquireCores });
    const prefill = collect(engine.prefill(prefillTask(promptOf(10)), abort.signal));
    await turnOfEventLoop();
    abort.abort();
    await expect(prefill).rejects.toMatchObject({ code: 'cancelled' });
    expect([engine.load().running, backend.counters.steps]).toEqual([0, 0]);
  });
});

describe('EmbeddedEngine, closing', () => {
  test('a drain lets running texts end and refuses new ones', async () => {
    const { engine, backend } = openTestEngine({ backend: { pause: turnOfEventLoop } });
    const text = generate(both(engine), { tokenIds: promptOf(20), tokensMax: 5 });
    const session = await engine.reserve(decodeTask(promptOf(20), 3), never);
    await text;
    const closed = engine.close(never);
    await expect(prefillAll(engine, promptOf(5))).rejects.toMatchObject({ code: 'draining' });
    expect(await collect(session.run(1, never))).toHaveLength(4);
    await closed;
    expect(backend.closed).toBe(true);
  });

  test('disposal fails what still runs', async () => {
    const { engine, backend } = openTestEngine({ backend: { pause: turnOfEventLoop } });
    const text = generate(both(engine), { tokenIds: promptOf(20), tokensMax: 50 });
    const failed = expect(text).rejects.toMatchObject({ code: 'shutting_down' });
    for (let i = 0; i < 9; i++) await turnOfEventLoop();
    await engine[Symbol.asyncDispose]();
    await failed;
    expect(backend.closed).toBe(true);
  });
});

function both(engine: EmbeddedEngine) {
  return { prefill: engine, decode: engine };
}

async function prefillAll(
  engine: EmbeddedEngine,
  tokens: Uint32Array | number[],
  media: ReturnType<typeof mediaRows>[] = [],
): Promise<PrefillOutput[]> {
  const outputs: PrefillOutput[] = [];
  for await (const output of engine.prefill(prefillTask(Uint32Array.from(tokens), { media }), never)) {
    if (output.kind === 'started') output.kv.release();
    outputs.push(output);
  }
  return outputs;
}

async function reserve(engine: EmbeddedEngine, tokenIds: Uint32Array) {
  return engine.reserve(decodeTask(tokenIds, 1), never);
}

function startedOf(output: PrefillOutput | undefined) {
  if (output?.kind !== 'started') throw new Error(`not started but ${output?.kind}`);
  return output;
}
