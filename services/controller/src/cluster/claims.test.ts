import { describe, expect, test } from '@jest/globals';
import { claimsOf } from './claims.js';

describe('claims on pods', () => {
  test('a pod that two pools match is the older one’s; the younger learns whose it is', () => {
    const young = { pool: 'a', createdMs: 2, podNames: ['p', 'q'] };
    const old = { pool: 'b', createdMs: 1, podNames: ['p'] };
    const claims = claimsOf([young, old]);
    expect(claims.get('b')).toEqual({ owned: new Set(['p']), contested: [] });
    expect(claims.get('a')).toEqual({ owned: new Set(['q']), contested: [{ pod: 'p', owner: 'b' }] });
  });

  test('of equally old ones the first by name has it, whatever their order', () => {
    const pools = ['b', 'a'].map((pool) => ({ pool, createdMs: 1, podNames: ['p'] }));
    for (const order of [pools, pools.toReversed()]) {
      expect(claimsOf(order).get('a')?.owned).toEqual(new Set(['p']));
      expect(claimsOf(order).get('b')?.contested).toEqual([{ pod: 'p', owner: 'a' }]);
    }
  });
});
