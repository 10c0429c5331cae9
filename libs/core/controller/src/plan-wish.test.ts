import { describe, expect, test } from '@jest/globals';
import { emptyLedger, withDecision } from './ledger.js';
import { planWish, type Wish } from './plan-wish.js';
import { FakePods, testSpec as spec } from './testing.js';

const pods = () => new FakePods({ a: 'encode', b: 'prefill', c: 'decode', d: 'decode', e: undefined });

function planned(wish: Wish, fake = pods(), more = {}) {
  const input = { ledger: emptyLedger, pods: fake.states(), spec, nowMs: 7, performing: new Set<string>(), ...more };
  return planWish(input, wish);
}

describe('a move that a person asks for', () => {
  test('is written down like any other', () => {
    const { ledger, move } = planned({ podId: 'd', role: 'prefill', expectedEpoch: 1n }) ?? {};
    expect(move).toEqual({
      ...{ podId: 'd', from: 'decode', to: 'prefill', fromEpoch: 1n, begunMs: 7 },
      ...{ reason: 'asked', decision: 0 },
    });
    expect([ledger?.moves, ledger?.past.length]).toEqual([[move], 1]);
  });

  test('of a pod that serves the stage already is none', () => {
    expect(planned({ podId: 'd', role: 'decode' })).toBeUndefined();
  });

  test.each([
    { why: 'nobody knows the pod', wish: { podId: 'z', role: 'decode' }, code: 'invalid_request' },
    { why: 'its stage must keep it', wish: { podId: 'a', role: 'decode' }, code: 'invalid_request' },
    { why: 'it moved on', wish: { podId: 'd', role: 'encode', expectedEpoch: 0n }, code: 'epoch_stale' },
    { why: 'it has no role yet', wish: { podId: 'e', role: 'encode' }, code: 'role_switch_failed' },
  ] as const)('is refused when $why', ({ wish, code }) => {
    expect(() => planned(wish)).toThrow(expect.objectContaining({ code }));
  });

  test('is refused while the pod is being asked, or moves', () => {
    const refused = expect.objectContaining({ code: 'role_switch_failed' });
    expect(() => planned({ podId: 'd', role: 'encode' }, pods(), { performing: new Set(['d']) })).toThrow(refused);
    const moving = planned({ podId: 'd', role: 'encode' })?.ledger;
    expect(() => planned({ podId: 'd', role: 'encode' }, pods(), { ledger: moving })).toThrow(refused);
  });

  test('ends the watch over the last decision: the split is another one now', () => {
    const split = { encode: 1, prefill: 1, decode: 2, serve: 0 };
    const shares = { expected: { current: 0, target: 1 }, baseline: { realised: 0, simulated: 0 } };
    const ledger = withDecision(emptyLedger, { id: 1, begunMs: 0, before: split, target: split, ...shares, doneMs: 1 });
    const after = planned({ podId: 'd', role: 'encode' }, pods(), { ledger })?.ledger;
    expect(after?.decisions.at(-1)?.verdict).toEqual({ kind: 'replaced' });
  });
});
