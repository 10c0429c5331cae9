import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import fc from 'fast-check';
import { FakeBackend } from './fake-backend.js';
import type { EngineLimits } from './options.js';
import {
  generate,
  mediaRows,
  never,
  openTestEngine,
  promptOf,
  type Text,
  type TextRequest,
  turnOfEventLoop,
} from './testing.js';

const empty = { waiting: 0, running: 0, kvBlocksUsed: 0 };
const runs = Number(process.env.TERCET_SOAK_RUNS ?? 25);

describe('the text of a request', () => {
  test('is the same alone and among others, on any engine, over any hand-over', async () => {
    const property = fc.asyncProperty(anyRequests(), anyHouse(), async (requests, house) => {
      const engines = openHouse(house, {});
      const texts = await Promise.all(requests.map((request, i) => generate(pairOf(engines, house, i), request)));
      for (const [i, request] of requests.entries()) expect(texts[i]).toMatchObject(await textAlone(request, {}));
      for (const { engine } of engines) expect(engine.load()).toMatchObject(empty);
    });
    await fc.assert(property, { numRuns: runs });
  });

  test('is the same where rows depend on how many their chunk has, whatever prefix is reused', async () => {
    const property = fc.asyncProperty(
      anyRequests(),
      anyHouse(),
      fc.constantFrom(0, 16, 32),
      async (requests, house, grain) => {
        const engines = openHouse(house, { shapeSensitive: true, reuseGrainTokens: grain });
        const texts = await Promise.all(requests.map((request, i) => generate(pairOf(engines, house, i), request)));
        for (const [i, request] of requests.entries()) {
          expect(texts[i]?.tokenIds).toEqual((await textAlone(request, { shapeSensitive: true })).tokenIds);
        }
      },
    );
    await fc.assert(property, { numRuns: runs });
  });

  test('goes on after a replay at any point as if nothing had happened', async () => {
    const property = fc.asyncProperty(anyRequest(), fc.nat(), anyHouse(), async (request, cut, house) => {
      const options = { shapeSensitive: true, reuseGrainTokens: 16 };
      const whole = await textAlone(request, options);
      const sent = whole.tokenIds.slice(0, 1 + (cut % whole.tokenIds.length));
      if (sent.length === whole.tokenIds.length) return;
      const replay = {
        ...request,
        tokenIds: Uint32Array.from([...request.tokenIds, ...sent]),
        generatedTokens: sent.length,
        tokensMax: request.tokensMax - sent.length,
      };
      const engines = openHouse(house, options);
      await generate(pairOf(engines, house, 0), { ...request, tokenIds: longer(request.tokenIds) });
      const rest = await generate(pairOf(engines, house, 0), replay);
      expect([...sent, ...rest.tokenIds]).toEqual(whole.tokenIds);
    });
    await fc.assert(property, { numRuns: runs });
  });
});

describe('soak', () => {
  test('ends at any moment and failing steps leave nothing behind and change no other text', async () => {
    const ends = fc.array(fc.option(fc.nat({ max: 60 })), { minLength: 8, maxLength: 8 });
    const faults = fc.array(fc.nat({ max: 80 }), { maxLength: 2 });
    const property = fc.asyncProperty(
      anyRequests(),
      anyHouse(),
      ends,
      faults,
      async (requests, house, endTurns, faultTurns) => {
        const engines = openHouse(house, {});
        const failing = faultTurns.map(async (turns, i) => {
          for (let turn = 0; turn < turns; turn++) await turnOfEventLoop();
          engines[i % engines.length]?.backend.failNext(new Error('fault'));
        });
        const texts = await Promise.all(
          requests.map((request, i) =>
            endedAfter(endTurns[i] ?? undefined, (signal) => generate(pairOf(engines, house, i), request, signal)),
          ),
        );
        await Promise.all(failing);
        for (const [i, request] of requests.entries()) {
          const text = texts[i];
          if (text === undefined) continue;
          expect(text).toMatchObject(await textAlone(request, {}));
        }
        for (const { engine } of engines) {
          // A request that ends inside a step gives its slot back when the step ends.
          await engine.close(never);
          expect(engine.load()).toMatchObject(empty);
        }
      },
    );
    await fc.assert(property, { numRuns: runs });
  });
});

/** Two or three engines, and who takes which request. */
interface House {
  readonly seed: number;
  readonly engines: number;
  readonly stepTokensMax: number;
  readonly kvBlocksMax: number;
  readonly chunkWaitStepsMax: number;
}

function anyHouse(): fc.Arbitrary<House> {
  return fc.record({
    seed: fc.nat(),
    engines: fc.integer({ min: 1, max: 3 }),
    stepTokensMax: fc.integer({ min: 32, max: 100 }),
    kvBlocksMax: fc.integer({ min: 48, max: 90 }),
    chunkWaitStepsMax: fc.integer({ min: 1, max: 3 }),
  });
}

function anyRequest(): fc.Arbitrary<TextRequest> {
  return fc
    .record({
      length: fc.integer({ min: 1, max: 90 }),
      seed: fc.integer({ min: 1, max: 2 }),
      tokensMax: fc.integer({ min: 1, max: 14 }),
      image: fc.option(fc.tuple(fc.nat({ max: 40 }), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 2 }))),
      tenant: fc.constantFrom('', 'b'),
    })
    .map(({ length, seed, tokensMax, image, tenant }) => {
      const fits = image !== null && image[0] + image[1] <= length;
      return { tokenIds: promptOf(length, seed), tokensMax, tenant, media: fits ? [mediaRows(...image)] : [] };
    });
}

function anyRequests(): fc.Arbitrary<TextRequest[]> {
  return fc.array(anyRequest(), { minLength: 1, maxLength: 8 });
}

interface Variant {
  readonly shapeSensitive?: boolean;
  readonly reuseGrainTokens?: number;
}

function openHouse(house: House, { shapeSensitive = false, ...limits }: Variant) {
  const { engines, seed, stepTokensMax, kvBlocksMax, chunkWaitStepsMax } = house;
  return Array.from({ length: engines }, (_, i) => {
    const prng = new Prng(seed + i);
    const pause = async () => {
      for (let turns = prng.nextBelow(4); turns > 0; turns--) await turnOfEventLoop();
    };
    const own: Partial<EngineLimits> = { stepTokensMax, kvBlocksMax, chunkWaitStepsMax, ...limits };
    return openTestEngine({ backend: new FakeBackend({ pause, shapeSensitive }), limits: own });
  });
}

/** Some engines serve both stages; with two or more, a request is handed over. */
function pairOf(engines: ReturnType<typeof openHouse>, { seed }: House, i: number) {
  const prefill = engines[(seed + i) % engines.length]?.engine;
  const decode = engines[(seed + 2 * i + 1) % engines.length]?.engine;
  if (prefill === undefined || decode === undefined) throw new Error('no engine');
  return { prefill, decode };
}

/** A prompt that begins with this one and ends elsewhere. */
function longer(tokenIds: Uint32Array): Uint32Array {
  return Uint32Array.from([...tokenIds, ...promptOf(40, 3)]);
}

const alone = new Map<string, Text>();

/** The text from engines of its own, without any reuse. */
async function textAlone(
  request: TextRequest,
  { shapeSensitive = false }: Variant,
): Promise<Pick<Text, 'tokenIds' | 'reason'>> {
  const name = JSON.stringify([
    request.tokenIds,
    request.tokensMax,
    request.media?.map((m) => [m.start, m.contentKey, m.tokens]),
    shapeSensitive,
  ]);
  let text = alone.get(name);
  if (text === undefined) {
    const { engine } = openTestEngine({ backend: { shapeSensitive }, limits: { reuseGrainTokens: 0 } });
    text = await generate({ prefill: engine, decode: engine }, request);
    alone.set(name, text);
  }
  return { tokenIds: text.tokenIds, reason: text.reason };
}

/** Aborts after some turns of the event loop; `undefined` when that or a fault ended it. */
async function endedAfter(
  turns: number | undefined,
  start: (signal: AbortSignal) => Promise<Text>,
): Promise<Text | undefined> {
  const abort = new AbortController();
  const text = start(abort.signal).catch((error: unknown) => {
    if (error instanceof TercetError && ['cancelled', 'stage_failed', 'kv_full'].includes(error.code)) return undefined;
    if (error === abort.signal.reason) return undefined;
    throw error;
  });
  for (let turn = 0; turns !== undefined && turn < turns; turn++) await turnOfEventLoop();
  if (turns !== undefined) abort.abort();
  return text;
}
