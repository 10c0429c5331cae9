import { describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { PodFacts } from '@tercet/facts';
import { byCache } from './choose.js';
import { type KnownOfPod, type PlanNeed, type PodView, planRoute } from './plan.js';

const { ROLE_ENCODE, ROLE_PREFILL, ROLE_DECODE } = wire.Role;
const reuse = { chunkTokens: 256, grainTokens: 16, kernels: [{ fromRows: 1, kernel: 0 }] };
const chooser = byCache(() => ({ fixedMs: 0, perTokenMs: 1, perTokenSquaredMs: 0 }));
const need: PlanNeed = {
  model: 'm',
  tiles: [],
  mediaKey: '',
  promptTokens: 100,
  prefixOf: () => ({ blocks: [1, 2, 3, 4, 5, 6], reused: (storedTokens) => Math.min(storedTokens, 96) }),
  needsDecode: true,
  avoid: new Set(),
};

/** A pod that has these blocks and tiles. */
function pod(
  podId: string,
  role: wire.Role,
  more: { has?: number[]; busy?: number; known?: Partial<KnownOfPod> } = {},
) {
  const { has = [], busy = 0 } = more;
  const facts = new PodFacts({ keysMax: 100 });
  const told = { generation: 1n, sequence: 1n, role, epoch: 1n };
  const keys = has.map(BigInt);
  facts.apply({ ...told, body: { $case: 'resync', value: { reason: wire.ResyncReason.RESYNC_REASON_FIRST } } });
  const snapshot = { part: 0, last: true, prefixBlocks: keys, media: keys };
  facts.apply({ ...told, body: { $case: 'snapshot', value: snapshot } });
  const known = { facts, reuse, pendingMs: 0, otherRequests: busy, freeTokens: 1000, ...more.known };
  return { pod: podId, podId, role, epoch: 1n, model: 'm', modelDigest: 'd', busy, known };
}

function planOf(pods: readonly PodView<string>[], more: Partial<PlanNeed> = {}) {
  const planned = planRoute(pods, { ...need, ...more }, chooser);
  if (planned.kind === 'missing') throw new Error('a pod is missing');
  const { encoders, prefill, decode, route } = planned.plan;
  return { encoders: encoders.map(({ podId }) => podId), prefill: prefill.podId, decode: decode?.podId, route };
}

describe('a plan by what is cached', () => {
  const others = [pod('d0', ROLE_DECODE)];

  test('goes where the prompt is, and says what it expects there', () => {
    const pods = [pod('p0', ROLE_PREFILL), pod('p1', ROLE_PREFILL, { has: [1, 2, 3, 5] }), ...others];
    const { prefill, route } = planOf(pods);
    expect([prefill, route.reason]).toEqual(['p1', 'prefix']);
    expect(route.expected).toMatchObject({ cachedTokens: 48, computeMs: 52, savedMs: 48, waitMs: 0, roomMs: 0 });
  });

  test.each([
    { name: 'a pod of which nothing is known now', known: { facts: undefined } },
    { name: 'a pod that keeps no prefixes', known: { reuse: undefined } },
  ])('expects nothing of $name, and may take it all the same', ({ known }) => {
    const pods = [pod('p0', ROLE_PREFILL, { busy: 1 }), pod('p1', ROLE_PREFILL, { has: [1, 2], known }), ...others];
    const { prefill, route } = planOf(pods);
    expect([prefill, route.reason, route.expected?.cachedTokens]).toEqual(['p1', 'load', 0]);
  });

  test('a pod that failed the request is not taken for what it has', () => {
    const pods = [pod('p0', ROLE_PREFILL), pod('p1', ROLE_PREFILL, { has: [1, 2, 3] }), ...others];
    expect(planOf(pods, { avoid: new Set(['p1']) })).toMatchObject({ prefill: 'p0', route: { reason: 'only' } });
  });

  test('what is on its way to a pod counts as its queue', () => {
    const known = { pendingMs: 120 };
    const pods = [pod('p0', ROLE_PREFILL), pod('p1', ROLE_PREFILL, { has: [1, 2, 3], known }), ...others];
    expect(planOf(pods)).toMatchObject({ prefill: 'p0', route: { reason: 'queue' } });
  });

  test('tiles go to the encoders that have them, the others are shared', () => {
    const encoders = [pod('e0', ROLE_ENCODE, { has: [11] }), pod('e1', ROLE_ENCODE), pod('e2', ROLE_ENCODE)];
    const pods = [...encoders, pod('p', ROLE_PREFILL), ...others];
    const plan = planOf(pods, { tiles: [10, 11, 12, 13] });
    expect(plan.encoders[1]).toBe('e0');
    expect(new Set(plan.encoders)).toEqual(new Set(['e0', 'e1', 'e2']));
  });

  test('an answer is decoded where its KV has room', () => {
    const pods = [
      pod('p', ROLE_PREFILL),
      pod('d0', ROLE_DECODE, { known: { freeTokens: 99 } }),
      pod('d1', ROLE_DECODE, { busy: 3 }),
    ];
    expect(planOf(pods).decode).toBe('d1');
    expect(planOf(pods, { needsDecode: false }).decode).toBeUndefined();
  });
});
