import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Duplicates, duplicateWindow } from './duplicates.js';

describe('Duplicates', () => {
  test('equals the set of all that was added, as far back as the window reaches', () => {
    const jumps = fc.oneof(fc.integer({ min: -1500, max: 1500 }), fc.constantFrom(-1, 0, 1, 2, duplicateWindow));
    const steps = fc.array(fc.tuple(fc.constantFrom('a', 'b'), jumps), { maxLength: 300, size: 'max' });
    fc.assert(
      fc.property(steps, (all) => {
        const duplicates = new Duplicates(10);
        const added = new Set<string>();
        const highest: Record<string, number> = { a: 2000, b: 2000 };
        for (const producerId of ['a', 'b']) {
          duplicates.add({ producerId, sequence: 2000n });
          added.add(`${producerId} 2000`);
        }
        for (const [producerId, jump] of all) {
          const number = Math.max(1, (highest[producerId] as number) + jump);
          const name = { producerId, sequence: BigInt(number) };
          const isInWindow = number > (highest[producerId] as number) - duplicateWindow;
          const isKnown = added.has(`${producerId} ${number}`);
          expect(duplicates.has(name)).toBe(isKnown && isInWindow);
          duplicates.add(name);
          added.add(`${producerId} ${number}`);
          highest[producerId] = Math.max(highest[producerId] as number, number);
          if (isInWindow) expect(duplicates.has(name)).toBe(true);
        }
      }),
    );
  });

  test('of too many producers the one heard of longest ago is forgotten', () => {
    const duplicates = new Duplicates(2);
    const of = (producerId: string, sequence = 1n) => ({ producerId, sequence });
    for (const name of [of('a'), of('b'), of('a', 2n), of('c')]) duplicates.add(name);
    expect([of('a'), of('b'), of('c')].map((name) => duplicates.has(name))).toEqual([true, false, true]);
  });
});
