import { describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import fc from 'fast-check';
import { byLoad } from './choose.js';
import { type PlanNeed, type PodView, planRoute } from './plan.js';

const { ROLE_ENCODE, ROLE_PREFILL, ROLE_DECODE } = wire.Role;
const need: PlanNeed = {
  model: 'm',
  tiles: [],
  mediaKey: '',
  promptTokens: 100,
  prefixOf: () => ({ blocks: [], reused: () => 0 }),
  needsDecode: true,
  avoid: new Set(),
};

const tiles = (count: number) => Array.from({ length: count }, (_, i) => i);

function pod(podId: string, role: wire.Role, more: Partial<PodView<string>> = {}): PodView<string> {
  return { pod: podId, podId, role, epoch: 1n, model: 'm', modelDigest: 'd', busy: 0, ...more };
}

function planOf(pods: readonly PodView<string>[], more: Partial<PlanNeed> = {}) {
  const planned = planRoute(pods, { ...need, ...more }, byLoad);
  if (planned.kind === 'missing') return wire.Role[planned.role];
  const { encoders, prefill, decode } = planned.plan;
  return [[...new Set(encoders.map(({ podId }) => podId))], prefill.podId, decode?.podId];
}

describe('planRoute', () => {
  test('the least busy pod of each stage, of equals the first by name', () => {
    const pods = [
      pod('p0', ROLE_PREFILL, { busy: 2 }),
      pod('p1', ROLE_PREFILL, { busy: 1 }),
      pod('d1', ROLE_DECODE),
      pod('d0', ROLE_DECODE),
    ];
    expect(planOf(pods)).toEqual([[], 'p1', 'd0']);
  });

  test('what is missing is named, and only what the request needs', () => {
    expect(planOf([])).toBe('ROLE_PREFILL');
    expect(planOf([pod('p', ROLE_PREFILL)])).toBe('ROLE_DECODE');
    expect(planOf([pod('p', ROLE_PREFILL)], { needsDecode: false })).toEqual([[], 'p', undefined]);
    expect(planOf([pod('p', ROLE_PREFILL), pod('d', ROLE_DECODE)], { tiles: tiles(1) })).toBe('ROLE_ENCODE');
    expect(planOf([pod('p', ROLE_PREFILL, { model: 'other' })])).toBe('ROLE_PREFILL');
  });

  test('all stages have the weights of the prefill pod', () => {
    const pods = [
      pod('p', ROLE_PREFILL, { modelDigest: 'new' }),
      pod('d0', ROLE_DECODE, { modelDigest: 'old' }),
      pod('d1', ROLE_DECODE, { modelDigest: 'new', busy: 9 }),
      pod('e0', ROLE_ENCODE, { modelDigest: 'old' }),
    ];
    expect(planOf(pods)).toEqual([[], 'p', 'd1']);
    expect(planOf(pods, { tiles: tiles(2) })).toBe('ROLE_ENCODE');
  });

  test('a pod that failed the request is taken only where there is no other', () => {
    const pods = [pod('p', ROLE_PREFILL), pod('d0', ROLE_DECODE), pod('d1', ROLE_DECODE, { busy: 50 })];
    expect(planOf(pods, { avoid: new Set(['d0', 'p']) })).toEqual([[], 'p', 'd1']);
    expect(planOf(pods, { avoid: new Set(['d0', 'd1', 'p']) })).toEqual([[], 'p', 'd0']);
  });

  test('every encoder takes part while there are tiles for it; the same picture begins at the same one', () => {
    const encoders = ['e0', 'e1', 'e2', 'e3'].map((id) => pod(id, ROLE_ENCODE));
    const pods = [...encoders, pod('p', ROLE_PREFILL), pod('d', ROLE_DECODE)];
    const used = (more: Partial<PlanNeed>) => planOf(pods, more)[0] as unknown as string[];
    expect(used({ tiles: tiles(9), mediaKey: 'a' }).toSorted()).toEqual(['e0', 'e1', 'e2', 'e3']);
    const firsts = Array.from({ length: 40 }, (_, i) => used({ tiles: tiles(1), mediaKey: `picture ${i}` })[0]);
    expect(new Set(firsts)).toEqual(new Set(['e0', 'e1', 'e2', 'e3']));
    expect(used({ tiles: tiles(1), mediaKey: 'picture 7' })).toEqual([firsts[7]]);
  });

  test('whatever pods there are: roles fit, weights are the same, and nobody less busy was passed over', () => {
    const view = fc.record({
      role: fc.constantFrom(ROLE_ENCODE, ROLE_PREFILL, ROLE_DECODE),
      modelDigest: fc.constantFrom('x', 'y'),
      busy: fc.nat(5),
      model: fc.constantFrom('m', 'n'),
    });
    fc.assert(
      fc.property(fc.array(view, { maxLength: 12 }), fc.nat(6), fc.boolean(), (views, tileCount, needsDecode) => {
        const pods = views.map((more, i) => pod(`pod-${i}`, more.role, more));
        const planned = planRoute(pods, { ...need, tiles: tiles(tileCount), needsDecode }, byLoad);
        if (planned.kind === 'missing') return;
        const { encoders, prefill, decode } = planned.plan;
        const chosen = [...encoders, prefill, ...(decode === undefined ? [] : [decode])];
        expect(new Set(chosen.map(({ modelDigest }) => modelDigest)).size).toBe(1);
        expect(chosen.every(({ model }) => model === 'm')).toBe(true);
        expect([prefill.role, decode?.role ?? ROLE_DECODE]).toEqual([ROLE_PREFILL, ROLE_DECODE]);
        expect(decode !== undefined).toBe(needsDecode);
        expect(encoders.length).toBe(tileCount);
        const rivals = pods.filter(({ role, model }) => role === ROLE_PREFILL && model === 'm');
        expect(prefill.busy).toBe(Math.min(...rivals.map(({ busy }) => busy)));
      }),
    );
  });
});
