import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type DecodePod, pickDecode, pickPrefill } from './pick.js';
import { type PrefillPod, scorePrefill } from './score.js';

const idle: PrefillPod = { cachedTokens: 0, pendingMs: 0, otherRequests: 0, freeTokens: 10_000, keptBlocks: 0 };
const cost = { fixedMs: 0, perTokenMs: 1, perTokenSquaredMs: 0 };
const work = { promptTokens: 1000, cost };

const anyPod = fc.record({
  cachedTokens: fc.nat({ max: 999 }),
  pendingMs: fc.nat({ max: 3000 }),
  otherRequests: fc.nat({ max: 3 }),
  freeTokens: fc.nat({ max: 2000 }),
  keptBlocks: fc.nat({ max: 50 }),
});

describe('pickPrefill', () => {
  test.each([
    { name: 'the only one, whatever it has', pods: [{ cachedTokens: 9 }], index: 0, reason: 'only' },
    { name: 'the one that has the prompt', pods: [{}, { cachedTokens: 800 }, {}], index: 1, reason: 'prefix' },
    {
      name: 'the one that has more of it',
      pods: [{ cachedTokens: 320 }, { cachedTokens: 800 }],
      index: 1,
      reason: 'prefix',
    },
    {
      name: 'the one that has it in spite of a queue that is shorter than what it saves',
      pods: [{}, { cachedTokens: 800, pendingMs: 700 }],
      index: 1,
      reason: 'prefix',
    },
    {
      name: 'an empty one when the queue takes longer than what is cached saves',
      pods: [{}, { cachedTokens: 800, pendingMs: 1400 }],
      index: 0,
      reason: 'queue',
    },
    {
      name: 'the one that has it, behind a queue that is a little longer: computing again is a burden on others',
      pods: [{}, { cachedTokens: 800, pendingMs: 1000 }],
      index: 1,
      reason: 'prefix',
    },
    { name: 'another when the pod has no room', pods: [{ freeTokens: 100 }, {}], index: 1, reason: 'load' },
    { name: 'the shorter queue when nobody has any', pods: [{ otherRequests: 1 }, {}], index: 1, reason: 'load' },
    { name: 'of equals the emptier cache', pods: [{ keptBlocks: 9 }, { keptBlocks: 3 }], index: 1, reason: 'load' },
    { name: 'of wholly equals the first', pods: [{}, {}], index: 0, reason: 'load' },
    {
      name: 'of those that are about as good the one with more of it',
      pods: [{ pendingMs: 0 }, { cachedTokens: 16, pendingMs: 40 }],
      index: 1,
      reason: 'prefix',
    },
  ])('$name', ({ pods, index, reason }) => {
    const picked = pickPrefill(
      pods.map((pod) => ({ ...idle, ...pod })),
      work,
    );
    expect(picked).toMatchObject({ index, reason });
  });

  test('nobody is passed over who would be a twentieth earlier', () => {
    fc.assert(
      fc.property(fc.array(anyPod, { minLength: 1, maxLength: 8 }), (pods) => {
        const { index, scores } = pickPrefill(pods, work);
        const busy = pods.filter(({ pendingMs, otherRequests }) => pendingMs + otherRequests > 0);
        const busyShare = busy.length / pods.length;
        expect(scores).toEqual(pods.map((pod) => scorePrefill(pod, { ...work, busyShare })));
        const best = Math.min(...scores.map(({ totalMs }) => totalMs));
        expect(scores[index]?.totalMs).toBeLessThanOrEqual(best * 1.05);
      }),
    );
  });

  test('the reason says what is so', () => {
    fc.assert(
      fc.property(fc.array(anyPod, { minLength: 2, maxLength: 8 }), (pods) => {
        const { index, reason } = pickPrefill(pods, work);
        const most = Math.max(...pods.map(({ cachedTokens }) => cachedTokens));
        const picked = pods[index]?.cachedTokens ?? -1;
        expect(reason).toBe(picked < most ? 'queue' : most > 0 ? 'prefix' : 'load');
      }),
    );
  });
});

describe('pickDecode', () => {
  test.each([
    { name: 'the least busy', pods: [{ requests: 2 }, { requests: 1 }], index: 1 },
    { name: 'the first of equals', pods: [{ requests: 1 }, { requests: 1 }], index: 0 },
    { name: 'a busier one when the other has no room', pods: [{ freeTokens: 99 }, { requests: 5 }], index: 1 },
    { name: 'the least busy when none has room', pods: [{ requests: 1, freeTokens: 0 }, { freeTokens: 9 }], index: 1 },
  ])('$name', ({ pods, index }) => {
    const all: DecodePod[] = pods.map((pod) => ({ requests: 0, freeTokens: 1000, ...pod }));
    expect(pickDecode(all, 100)).toBe(index);
  });
});
