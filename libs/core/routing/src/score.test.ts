import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type PrefillPod, scorePrefill } from './score.js';

const idle: PrefillPod = { cachedTokens: 0, pendingMs: 0, otherRequests: 0, freeTokens: 10_000, keptBlocks: 0 };
const cost = { fixedMs: 10, perTokenMs: 1, perTokenSquaredMs: 0.001 };
const work = { promptTokens: 1000, cost, busyShare: 0.5 };

describe('scorePrefill', () => {
  test.each([
    { name: 'an idle pod computes all of it', pod: {}, waitMs: 0, roomMs: 0, computeMs: 2010, savedMs: 0 },
    {
      name: 'cached tokens are not computed, but looked at by those that are',
      pod: { cachedTokens: 900 },
      waitMs: 0,
      roomMs: 0,
      computeMs: 10 + 100 + 0.001 * 100 * 1900,
      savedMs: 1710,
    },
    {
      name: 'what is on its way there comes first',
      pod: { pendingMs: 70 },
      waitMs: 70,
      roomMs: 0,
      computeMs: 2010,
      savedMs: 0,
    },
    {
      name: 'requests of others are taken to be as this one',
      pod: { otherRequests: 2 },
      waitMs: 4020,
      roomMs: 0,
      computeMs: 2010,
      savedMs: 0,
    },
    {
      name: 'tokens without room wait for those that leave',
      pod: { freeTokens: 900 },
      waitMs: 0,
      roomMs: 120,
      computeMs: 2010,
      savedMs: 0,
    },
  ])('$name', ({ pod, waitMs, roomMs, computeMs, savedMs }) => {
    const score = scorePrefill({ ...idle, ...pod }, work);
    expect(score.waitMs).toBeCloseTo(waitMs);
    expect(score.roomMs).toBeCloseTo(roomMs);
    expect(score.computeMs).toBeCloseTo(computeMs);
    expect(score.savedMs).toBeCloseTo(savedMs);
    expect(score.totalMs).toBeCloseTo(waitMs + roomMs + 1.5 * computeMs);
  });

  test('more that is cached is never worse, more that waits or less room never better', () => {
    const tokens = fc.nat({ max: 999 });
    fc.assert(
      fc.property(tokens, tokens, fc.nat({ max: 500 }), fc.nat({ max: 3 }), (a, b, pendingMs, otherRequests) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)];
        const total = (pod: Partial<PrefillPod>) => scorePrefill({ ...idle, ...pod }, work).totalMs;
        expect(total({ cachedTokens: more })).toBeLessThanOrEqual(total({ cachedTokens: less }));
        expect(total({ freeTokens: more })).toBeLessThanOrEqual(total({ freeTokens: less }));
        expect(total({ pendingMs, otherRequests })).toBeGreaterThanOrEqual(total({}));
      }),
    );
  });
});
