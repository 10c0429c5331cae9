import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import fc from 'fast-check';
import { Stopwatch } from './stopwatch.js';

describe('Stopwatch', () => {
  test('parts follow one another', async () => {
    const clock = new ManualClock(0);
    const watch = new Stopwatch(clock);
    await watch.fetching(Promise.resolve().then(() => clock.advance(5)));
    clock.advance(2);
    watch.mark('planned');
    clock.advance(30);
    watch.mark('encoded');
    clock.advance(63);
    watch.token({ transferMs: 3, queueMs: 10 });
    clock.advance(7);
    watch.token();
    clock.advance(20);
    watch.token();
    const parts = { queueMs: 2, mediaFetchMs: 5, encodeMs: 30, mediaTransferMs: 3, prefillQueueMs: 10, prefillMs: 50 };
    const tokensPerSecond = 2000 / 27;
    expect(watch.times(3)).toEqual({ ttftMs: 100, parts, handoverMs: 7, decodeMs: 20, tokensPerSecond });
  });

  test('whatever happens, also in another attempt: the parts add up to the time to the first token', () => {
    const waits = fc.array(fc.nat(50), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(waits, fc.nat(200), fc.nat(200), fc.boolean(), (waited, transferMs, queueMs, fails) => {
        const clock = new ManualClock(0);
        const watch = new Stopwatch(clock);
        const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = waited;
        for (const attempt of fails ? [1, 2] : [1]) {
          clock.advance(a * attempt);
          watch.mark('planned');
          clock.advance(b);
          watch.mark('encoded');
          clock.advance(c);
        }
        watch.token({ transferMs, queueMs });
        const { ttftMs, parts } = watch.times(1);
        expect(Object.values(parts).reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(ttftMs, 6);
        expect(Math.min(...Object.values(parts))).toBeGreaterThanOrEqual(0);
        // A replay after the first token moves nothing before it.
        clock.advance(d);
        watch.mark('planned');
        clock.advance(e);
        watch.token({ transferMs: f, queueMs: f });
        expect(watch.times(2).parts).toEqual(parts);
      }),
    );
  });
});
