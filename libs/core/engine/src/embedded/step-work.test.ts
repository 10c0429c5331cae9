import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { collect, decodeTask, generate, never, openTestEngine, prefillTask, promptOf } from './testing.js';

describe('what the steps of an engine were', () => {
  const timed = () => {
    const clock = new ManualClock();
    return openTestEngine({ clock, backend: { pause: async () => clock.advance(10) } });
  };

  test('chunks of a prompt add up to the square of its tokens; a decode has its context', async () => {
    const { engine } = timed();
    await generate({ prefill: engine, decode: engine }, { tokenIds: promptOf(70), tokensMax: 4 });
    const { samples, next } = engine.work.since(0);
    expect(samples.filter(({ stage }) => stage === 'prefill')).toEqual([
      { stage: 'prefill', tokens: 32, squares: 32 ** 2, ms: expect.any(Number) },
      { stage: 'prefill', tokens: 32, squares: 64 ** 2 - 32 ** 2, ms: expect.any(Number) },
      { stage: 'prefill', tokens: 6, squares: 70 ** 2 - 64 ** 2, ms: expect.any(Number) },
    ]);
    const decodes = [71, 72, 73].map((contextTokens) => ({ stage: 'decode', batch: 1, contextTokens, ms: 30 }));
    expect(samples.filter(({ stage }) => stage === 'decode')).toEqual(decodes);
    expect(next).toBe(6);
  });

  test('tokens that were cached are not computed', async () => {
    const { engine } = timed();
    const request = { tokenIds: promptOf(70), tokensMax: 1 };
    await generate({ prefill: engine, decode: engine }, request);
    const place = engine.work.count;
    await generate({ prefill: engine, decode: engine }, request);
    expect(engine.work.since(place).samples).toMatchObject([
      { stage: 'prefill', tokens: 6, squares: 70 ** 2 - 64 ** 2 },
    ]);
  });

  test('a step with prompts and decodes is left out, and a failed one is', async () => {
    const { engine, backend } = timed();
    await using running = await engine.reserve(decodeTask(promptOf(20), 30), never);
    const text = collect(running.run(5, never));
    await Promise.all([text, collect(engine.prefill(prefillTask(promptOf(40, 2)), never))]);
    expect(engine.work.since(0).samples.map(({ stage }) => stage)).toEqual(Array(28).fill('decode'));
    expect(backend.counters.steps).toBe(30);
    backend.failNext(new Error('out of memory'));
    await expect(collect(engine.prefill(prefillTask(promptOf(30, 3)), never))).rejects.toMatchObject({
      code: 'stage_failed',
    });
    expect(engine.work.count).toBe(28);
  });

  test('tiles are counted in patches, texts to embed are left out', async () => {
    const { engine } = timed();
    await engine.encode({ requestId: 'r', pixels: new Float32Array(3 * 48), tileCount: 3 }, never);
    await engine.embed({ requestId: 'r', inputs: [promptOf(10)] }, never);
    expect(engine.work.since(0).samples).toEqual([
      { stage: 'encode', patches: 32, ms: 10 },
      { stage: 'encode', patches: 16, ms: 10 },
    ]);
  });

  test('the wait for cores is in the time', async () => {
    const clock = new ManualClock();
    const acquireCores = async () => {
      clock.advance(100);
      return { threads: 1, release: () => undefined };
    };
    const { engine } = openTestEngine({ clock, acquireCores, backend: { pause: async () => clock.advance(10) } });
    await engine.encode({ requestId: 'r', pixels: new Float32Array(48), tileCount: 1 }, never);
    expect(engine.work.since(0).samples).toEqual([{ stage: 'encode', patches: 16, ms: 110 }]);
  });
});
