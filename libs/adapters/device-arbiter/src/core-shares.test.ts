import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CoreShares } from './core-shares.js';

describe('CoreShares', () => {
  test('a process alone gets every core', () => {
    const shares = new CoreShares<string>({ cores: 4, activeAfterMs: 5 });
    expect(shares.want('a', 9, 0).grants).toEqual([{ client: 'a', threads: 4 }]);
  });

  test('a second process makes the first give back, then both have half', () => {
    const shares = new CoreShares<string>({ cores: 2, activeAfterMs: 5 });
    shares.want('a', 9, 0);
    expect(shares.want('b', 9, 1)).toEqual({ grants: [], recalls: ['a'] });
    expect(shares.done('a', true, 2).grants).toEqual([{ client: 'b', threads: 1 }]);
    expect(shares.want('a', 9, 2).grants).toEqual([{ client: 'a', threads: 1 }]);
  });

  test('who is left alone is asked back once, to get more', () => {
    const shares = new CoreShares<string>({ cores: 2, activeAfterMs: 5 });
    shares.want('a', 9, 0);
    shares.want('b', 9, 1);
    shares.done('a', true, 2);
    shares.want('a', 9, 2);
    expect(shares.done('b', false, 3)).toEqual({ grants: [], recalls: ['a'] });
    shares.done('a', true, 4);
    expect(shares.want('a', 9, 4).grants).toEqual([{ client: 'a', threads: 2 }]);
  });

  test('more processes than cores take turns in order of asking', () => {
    const shares = new CoreShares<string>({ cores: 2, activeAfterMs: 5 });
    shares.want('a', 9, 0);
    shares.want('b', 9, 0);
    shares.want('c', 9, 0);
    expect(shares.done('a', true, 1).grants).toEqual([
      { client: 'b', threads: 1 },
      { client: 'c', threads: 1 },
    ]);
    expect(shares.want('a', 9, 1)).toEqual({ grants: [], recalls: ['b', 'c'] });
  });

  test('what one has no use for is left to the others', () => {
    const shares = new CoreShares<string>({ cores: 4, activeAfterMs: 5 });
    expect(shares.want('a', 1, 0).grants).toEqual([{ client: 'a', threads: 1 }]);
    expect(shares.want('b', 4, 0)).toEqual({ grants: [{ client: 'b', threads: 3 }], recalls: [] });
  });

  test('cores are never given twice, and no one waits while a core is free', () => {
    const act = fc.record({
      client: fc.nat({ max: 5 }),
      kind: fc.constantFrom('want', 'busy', 'idle'),
      threads: fc.integer({ min: 1, max: 9 }),
    });
    const property = fc.property(fc.integer({ min: 1, max: 8 }), fc.array(act), (cores, acts) => {
      const shares = new CoreShares<number>({ cores, activeAfterMs: 3 });
      const held = new Map<number, number>();
      for (const [now, { client, kind, threads }] of acts.entries()) {
        if (kind !== 'want') held.delete(client);
        const { grants } =
          kind === 'want' ? shares.want(client, threads, now) : shares.done(client, kind === 'busy', now);
        for (const grant of grants) {
          expect(held.has(grant.client)).toBe(false);
          held.set(grant.client, grant.threads);
        }
        const sum = [...held.values()].reduce((a, b) => a + b, 0);
        expect(sum).toBe(shares.heldCores);
        expect(sum).toBeLessThanOrEqual(cores);
        expect(shares.waitingCount === 0 || sum === cores).toBe(true);
      }
    });
    fc.assert(property);
  });
});
