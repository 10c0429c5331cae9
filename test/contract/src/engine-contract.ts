import { describe, expect, test } from '@jest/globals';
import type { StageEngine } from '@tercet/engine';
import type { BlockDigest } from '@tercet/kv';
import {
  both,
  decodeTask,
  type EngineSetup,
  engineLimits,
  engineSizes,
  expectedTokens,
  free,
  generate,
  greedy,
  mediaOf,
  never,
  promptOf,
  started,
  type Text,
  toldAll,
  until,
} from './engine-calls.js';

export type OpenEngine = (setup: EngineSetup) => Promise<StageEngine>;

/** What every engine must do: stages call it, and nothing else of it. The texts are greedy. */
export function describeEngine(name: string, open: OpenEngine): void {
  const opened = (endOfTextTokenIds: readonly number[] = []) => open({ endOfTextTokenIds });
  describe(`${name} keeps the contract of a stage's engine`, () => {
    describeTexts(opened);
    describeLayers(opened);
    describeRefusals(opened);
    describeCancels(opened);
    describeEncoding(opened);
    describeEmbedding(opened);
  });
}

type Open = (endOfTextTokenIds?: readonly number[]) => Promise<StageEngine>;

/** Length, seed and tenant; more of them than four slots keep. */
const promptsThatRepeat = [
  [70, 1, 'a'],
  [70, 1, 'b'],
  [70, 1, 'a'],
  [100, 1, 'a'],
  [33, 1, 'a'],
  [200, 2, 'a'],
  [150, 3, 'b'],
  [220, 4, 'b'],
  [70, 1, 'b'],
  [200, 2, 'a'],
  [64, 2, 'a'],
  [220, 4, 'b'],
] as const;

function describeTexts(open: Open): void {
  test('prefill, export, import and decode give the text of one engine, and both are free afterwards', async () => {
    await using a = await open();
    await using b = await open();
    expect(b.descriptor).toEqual(a.descriptor);
    const request = { tokenIds: promptOf(70), tokensMax: 12 };
    const alone = await generate({ prefill: a, decode: a }, request);
    const handedOver = await generate({ prefill: b, decode: a }, request);
    expect(alone.tokenIds).toHaveLength(12);
    expect(handedOver).toEqual(alone);
    await free(a);
    await free(b);
  });

  test('a text is the same beside another, and when the head of its prompt is known', async () => {
    await using engine = await open();
    const requests = [70, 33].map((length, seed) => ({ tokenIds: promptOf(length, seed), tokensMax: 9 }));
    const alone: Text[] = [];
    for (const request of requests) alone.push(await generate(both(engine), request));
    const together = await Promise.all(requests.map((request) => generate(both(engine), request)));
    expect(together.map(({ tokenIds }) => tokenIds)).toEqual(alone.map(({ tokenIds }) => tokenIds));
    expect(alone.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 0]);
    expect(Math.max(...together.map(({ cachedTokens }) => cachedTokens))).toBeGreaterThanOrEqual(16);
    await free(engine);
  });

  test('what it tells of its prefixes says how many tokens of any prompt it will not compute', async () => {
    await using engine = await open();
    const known = new Set<BlockDigest>();
    engine.watchPrefixes(({ stored, evicted }) => {
      for (const block of evicted) expect(known.delete(block)).toBe(true);
      for (const block of stored) expect(known.has(block)).toBe(false);
      for (const block of stored) known.add(block);
    });
    let found = 0;
    for (const [length, seed, tenant] of promptsThatRepeat) {
      const tokenIds = promptOf(length, seed);
      await toldAll(engine);
      const expected = expectedTokens(engine, known, { tokenIds, generatedTokens: 0, media: [], tenant });
      const { cachedTokens } = await generate(both(engine), { tokenIds, tokensMax: 2, tenant });
      expect({ length, seed, tenant, cachedTokens }).toEqual({ length, seed, tenant, cachedTokens: expected });
      found += cachedTokens;
    }
    expect(found).toBeGreaterThan(0);
  });

  test('a replay of any part of a text writes the rest of it', async () => {
    await using engine = await open();
    const prompt = promptOf(40);
    const { tokenIds: whole } = await generate(both(engine), { tokenIds: prompt, tokensMax: 10 });
    for (const generatedTokens of [1, 4, 9]) {
      await using other = await open();
      const tokenIds = Uint32Array.of(...prompt, ...whole.slice(0, generatedTokens));
      const rest = await generate(both(other), { tokenIds, generatedTokens, tokensMax: 10 - generatedTokens });
      expect(rest.tokenIds).toEqual(whole.slice(generatedTokens));
    }
  });

  test('the end-of-text token ends a text and is not in it, unless the request ignores it', async () => {
    await using plain = await open();
    const request = { tokenIds: promptOf(20), tokensMax: 10 };
    const { tokenIds: whole } = await generate(both(plain), request);
    const end = whole.find((tokenId) => tokenId !== whole[0]);
    if (end === undefined) throw new Error('the text has one token only');
    await using ends = await open([end]);
    const at = whole.indexOf(end);
    expect(await generate(both(ends), request)).toMatchObject({ tokenIds: whole.slice(0, at), reason: 'stop' });
    const ignoring = { ...request, sampling: { ...greedy, ignoreEos: true } };
    expect(await generate(both(ends), ignoring)).toMatchObject({ tokenIds: whole, reason: 'length' });
    await using first = await open([whole[0] ?? 0]);
    expect(await generate(both(first), request)).toMatchObject({ tokenIds: [], reason: 'stop' });
    await free(first);
  });
}

function describeLayers(open: Open): void {
  test('layers are readable when told so, and stay as they are until they are released', async () => {
    await using engine = await open();
    const { layerCount, kvRowBytes } = engine.descriptor;
    const { kv, outputs } = await started(engine, { tokenIds: promptOf(70) });
    expect(kv.tokens).toBe(70);
    const early: Uint8Array[] = [];
    for (let layer = 0; layer < layerCount; layer++) {
      await kv.layerReady(layer, never);
      early.push(kv.rows(layer, 'k').slice(), kv.rows(layer, 'v').slice());
    }
    expect((await outputs.next()).value).toMatchObject({ kind: 'firstToken', endOfText: false });
    expect((await outputs.next()).done).toBe(true);
    await generate(both(engine), { tokenIds: promptOf(70, 5), tokensMax: 4 });
    for (let layer = 0; layer < layerCount; layer++) {
      expect([kv.rows(layer, 'k'), kv.rows(layer, 'v')]).toEqual(early.slice(2 * layer, 2 * layer + 2));
    }
    expect(early.every((rows) => rows.length === 70 * kvRowBytes)).toBe(true);
    expect(engine.load().kvBlocksUsed).toBeGreaterThan(0);
    kv.release();
    kv.release();
    await free(engine);
  });

  test('a wait for a layer ends with its signal', async () => {
    await using engine = await open();
    const { kv, outputs } = await started(engine, { tokenIds: promptOf(200) });
    await expect(kv.layerReady(0, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    await outputs.return?.();
    kv.release();
    await free(engine);
  });
}

function describeRefusals(open: Open): void {
  const long = promptOf(engineSizes.contextTokensMax + 1);
  test.each<{ what: string; code: string; call: (engine: StageEngine) => Promise<unknown> }>([
    { what: 'a prompt over the context', code: 'prompt_too_long', call: (e) => started(e, { tokenIds: long }) },
    { what: 'a decode that has no room', code: 'prompt_too_long', call: (e) => reserve(e, long) },
    { what: 'an empty prompt', code: 'invalid_request', call: (e) => started(e, { tokenIds: promptOf(0) }) },
    {
      what: 'an unknown token',
      code: 'invalid_request',
      call: (e) => started(e, { tokenIds: Uint32Array.of(1, 1_000_000) }),
    },
    {
      what: 'media beyond the prompt',
      code: 'invalid_request',
      call: (e) => started(e, { tokenIds: promptOf(20), media: [mediaOf(e, { start: 19, content: 1 })] }),
    },
    {
      what: 'tiles that are not there',
      code: 'invalid_request',
      call: (e) => e.encode({ requestId: 'r', pixels: new Float32Array(48), tileCount: 2 }, never),
    },
    {
      what: 'a call whose caller is gone',
      code: 'cancelled',
      call: (e) => started(e, { tokenIds: promptOf(5) }, gone),
    },
    { what: 'a decode without a caller', code: 'cancelled', call: (e) => reserve(e, promptOf(5), gone) },
  ])('$what: $code', async ({ code, call }) => {
    await using engine = await open();
    await expect(call(engine)).rejects.toMatchObject({ code });
    await free(engine);
    expect((await generate(both(engine), { tokenIds: promptOf(20), tokensMax: 2 })).tokenIds).toHaveLength(2);
  });

  test('more than there is room for waits, one more is overloaded, and all get their turn', async () => {
    await using engine = await open();
    const next = () => reserve(engine, promptOf(20));
    const held: AsyncDisposable[] = [];
    while (held.length < engineSizes.slotCount) held.push(await next());
    const waiting = Array.from({ length: engineLimits.waitingMax }, next);
    await until(() => engine.load().waiting === engineLimits.waitingMax);
    await expect(next()).rejects.toMatchObject({ code: 'overloaded' });
    await expect(started(engine, { tokenIds: promptOf(5) })).rejects.toMatchObject({ code: 'overloaded' });
    for (const session of held) await session[Symbol.asyncDispose]();
    for (const session of waiting) await (await session)[Symbol.asyncDispose]();
    await free(engine);
    expect(engine.load().kvBlocksTotal).toBe(engineLimits.kvBlocksMax);
  });

  test('what runs when the engine is closed fails, and nothing is taken afterwards', async () => {
    const engine = await open();
    const running = generate(both(engine), { tokenIds: promptOf(20), tokensMax: 200 });
    const failed = expect(running).rejects.toMatchObject({ code: closedCode });
    await until(() => engine.load().running > 0);
    await engine[Symbol.asyncDispose]();
    await failed;
    await expect(started(engine, { tokenIds: promptOf(5) })).rejects.toMatchObject({ code: closedCode });
    await expect(reserve(engine, promptOf(5))).rejects.toMatchObject({ code: closedCode });
    await engine[Symbol.asyncDispose]();
  });
}

const gone = AbortSignal.abort();
const closedCode = expect.stringMatching(/^(draining|shutting_down)$/);

function describeCancels(open: Open): void {
  test('a caller who leaves, whenever it is, gets cancelled and leaves nothing behind', async () => {
    await using engine = await open();
    const request = { tokenIds: promptOf(200), tokensMax: 50 };
    for (const moment of ['started', 'layer', 'firstToken', 'reserved', 'token'] as const) {
      const caller = new AbortController();
      const at = (now: string) => now === moment && caller.abort();
      const text = generate(both(engine), request, { signal: caller.signal, at });
      await expect(text).rejects.toMatchObject({ code: 'cancelled' });
      await free(engine);
    }
    expect((await generate(both(engine), { ...request, tokensMax: 3 })).tokenIds).toHaveLength(3);
  });

  test('whoever ends the reading of a prefill still owes the release, and nothing else', async () => {
    await using engine = await open();
    const { kv, outputs } = await started(engine, { tokenIds: promptOf(100) });
    await outputs.return?.();
    kv.release();
    await free(engine);
  });

  test('a session that is given up before, while and after it runs is free', async () => {
    await using engine = await open();
    const unused = await reserve(engine, promptOf(30));
    await unused[Symbol.asyncDispose]();
    const session = await reserve(engine, promptOf(30));
    for await (const output of session.run(5, never)) if (output.kind === 'token') break;
    await session[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    await free(engine);
  });
}

function describeEncoding(open: Open): void {
  test('tiles come back in order, each as if it were alone', async () => {
    await using engine = await open();
    const { media } = engine.descriptor;
    if (media === undefined) throw new Error('engines of this suite see images');
    const perTile = 3 * media.tileSize ** 2;
    const pixels = Float32Array.from({ length: 5 * perTile }, (_, i) => Math.sin(i * 0.37));
    const all = await engine.encode({ requestId: 'r', pixels, tileCount: 5 }, never);
    const perRows = media.tokensPerTile * media.dim;
    expect(all).toHaveLength(5 * perRows);
    const own = pixels.slice(3 * perTile, 4 * perTile);
    const alone = await engine.encode({ requestId: 'r', pixels: own, tileCount: 1 }, never);
    expect(all.slice(3 * perRows, 4 * perRows)).toEqual(alone);
    await expect(engine.encode({ requestId: 'r', pixels: own, tileCount: 1 }, gone)).rejects.toMatchObject({
      code: 'cancelled',
    });
    await free(engine);
  });

  test('an image is part of what a text is about, and of the prefix that is known', async () => {
    await using engine = await open();
    const about = (content: number) => {
      const media = [mediaOf(engine, { start: 5, content })];
      return generate(both(engine), { tokenIds: promptOf(60), media, tokensMax: 6 });
    };
    const [one, other, again] = [await about(1), await about(2), await about(1)];
    expect(one.lastRows).not.toEqual(other.lastRows);
    expect([one.cachedTokens, other.cachedTokens]).toEqual([0, 0]);
    expect(again.cachedTokens).toBeGreaterThanOrEqual(16);
    expect(again).toMatchObject({ tokenIds: one.tokenIds, lastRows: one.lastRows });
  });
}

/** The part of the contract that an engine keeps which only embeds. */
export function describeEmbedding(open: Open): void {
  test('inputs are embedded to unit vectors, each on its own; or the engine refuses to embed', async () => {
    await using engine = await open();
    const embed = (...inputs: Uint32Array[]) => engine.embed({ requestId: 'r', inputs }, never);
    const { embeddingDim } = engine.descriptor;
    if (embeddingDim === undefined) {
      await expect(embed(promptOf(9))).rejects.toMatchObject({ code: 'feature_unsupported' });
      return;
    }
    const vectors = await embed(promptOf(10), promptOf(30, 2), promptOf(20, 3));
    expect(vectors.map((vector) => Math.hypot(...vector))).toEqual([1, 1, 1].map((one) => expect.closeTo(one, 5)));
    expect(vectors.map(({ length }) => length)).toEqual([embeddingDim, embeddingDim, embeddingDim]);
    expect(await embed(promptOf(30, 2))).toEqual([vectors[1]]);
    const long = promptOf(engine.descriptor.contextTokensMax + 1);
    await expect(embed(promptOf(9), long)).rejects.toMatchObject({ code: 'prompt_too_long' });
    await free(engine);
  });
}

function reserve(engine: StageEngine, tokenIds: Uint32Array, signal = never) {
  return engine.reserve(decodeTask({ tokenIds, tokensMax: 9 }), signal);
}
