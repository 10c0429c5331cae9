import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mergePieces } from './merge.js';

/** Joins the best pair of all, again and again. */
function slowly(symbols: readonly string[], priorityOf: (left: string, right: string) => number | undefined): string[] {
  const pieces = [...symbols];
  for (;;) {
    let best: { at: number; priority: number } | undefined;
    for (let at = 0; at + 1 < pieces.length; at++) {
      const priority = priorityOf(pieces[at] as string, pieces[at + 1] as string);
      if (priority !== undefined && (best === undefined || priority < best.priority)) best = { at, priority };
    }
    if (best === undefined) return pieces;
    pieces.splice(best.at, 2, `${pieces[best.at]}${pieces[best.at + 1]}`);
  }
}

test('the fast merge equals the slow one for any ranks', () => {
  const symbols = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 });
  const known = fc.dictionary(fc.stringMatching(/^[abc]{2,5}$/), fc.nat({ max: 5 }));
  fc.assert(
    fc.property(symbols, known, (chain, ranks) => {
      const priorityOf = (left: string, right: string) => ranks[left + right];
      expect(mergePieces(chain, priorityOf)).toEqual(slowly(chain, priorityOf));
    }),
    { numRuns: 500 },
  );
});
