import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import type { wire } from '@tercet/contracts';
import { ModelCosts } from './model-costs.js';

/** Steps that take 20 ms, and half a millisecond for each token. */
function steps(count: number): wire.WorkSample[] {
  const prng = new Prng(1);
  return Array.from({ length: count }, () => {
    const tokens = 1 + prng.nextBelow(256);
    return { ms: 20 + tokens / 2, step: { $case: 'prefill', value: { tokens, squares: prng.nextBelow(65_536) } } };
  });
}

describe('ModelCosts', () => {
  test('are one for each token until enough steps were seen, then those of the steps', () => {
    const costs = new ModelCosts(['m', 'n']);
    const unmeasured = { fixedMs: 0, perTokenMs: 1, perTokenSquaredMs: 0 };
    costs.learn('m', steps(20));
    expect(costs.prefill('m')).toEqual(unmeasured);
    costs.learn('m', steps(200));
    const { fixedMs, perTokenMs, perTokenSquaredMs } = costs.prefill('m');
    expect([fixedMs, perTokenMs, perTokenSquaredMs].map((value) => Math.round(value * 100) / 100)).toEqual([
      20, 0.5, 0,
    ]);
    expect(costs.prefill('n')).toEqual(unmeasured);
  });

  test('leave out what is no prefill, and models that nobody serves', () => {
    const costs = new ModelCosts(['m']);
    costs.learn('m', [
      { ms: 5, step: { $case: 'encode', value: { patches: 3 } } },
      { ms: 1, step: undefined },
    ]);
    costs.learn('other', steps(100));
    expect([costs.prefill('m'), costs.prefill('other')]).toEqual([costs.prefill('x'), costs.prefill('x')]);
  });
});
