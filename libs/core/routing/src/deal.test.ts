import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { dealTiles } from './deal.js';

const pods = (...requests: number[]) => requests.map((count) => ({ requests: count }));
const none = (count: number) => Array.from({ length: count }, () => []);

describe('dealTiles', () => {
  test.each([
    { name: 'neighbours stay together, shares are even', homes: none(5), busy: [0, 0], dealt: [0, 0, 0, 1, 1] },
    { name: 'a busy pod gets less', homes: none(5), busy: [3, 0], dealt: [0, 1, 1, 1, 1] },
    { name: 'a tile goes to the pod that has it, however busy', homes: [[1], []], busy: [0, 9], dealt: [1, 0] },
    { name: 'of those that have it to the less busy', homes: [[0, 1]], busy: [2, 1], dealt: [1] },
    { name: 'cached tiles are no work', homes: [[0], [0], [], []], busy: [0, 0], dealt: [0, 0, 0, 1] },
  ])('$name', ({ homes, busy, dealt }) => {
    expect(dealTiles(homes, pods(...busy))).toEqual(dealt);
  });

  test('what is cached goes home; the others are dealt so that nobody could be done earlier with one tile less', () => {
    const anyHomes = fc.array(fc.subarray([0, 1, 2]), { maxLength: 30 });
    const anyBusy = fc.array(fc.nat({ max: 6 }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(anyHomes, anyBusy, (homes, busy) => {
        const dealt = dealTiles(homes, pods(...busy));
        const shares = [0, 0, 0];
        for (const [tile, pod] of dealt.entries()) {
          if (homes[tile]?.length === 0) shares[pod] = (shares[pod] as number) + 1;
          else expect(homes[tile]).toContain(pod);
        }
        const ends = shares.map((share, pod) => share + (busy[pod] as number));
        const latest = Math.max(...ends.filter((_, pod) => (shares[pod] as number) > 0), 0);
        for (const end of ends) expect(end).toBeGreaterThanOrEqual(latest - 1);
      }),
    );
  });
});
