import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import fc from 'fast-check';
import { noSlot } from '../vector-index.js';
import { RecallAudit } from './recall-audit.js';

const slots = (...values: number[]) => Uint32Array.from(values);
const audit = (windowMax = 1000, share = 1) => new RecallAudit({ share, windowMax, prng: new Prng(1) });

describe('a recall audit', () => {
  test('says nothing before it has seen two queries', () => {
    const one = audit();
    one.add(slots(1), slots(1));
    expect(one.estimate()).toBeUndefined();
  });

  test.each([
    { name: 'all found', found: slots(1, 2), exact: slots(2, 1), recall: 1 },
    { name: 'half found', found: slots(1, 9), exact: slots(1, 2), recall: 0.5 },
    { name: 'fewer exist than were asked for', found: slots(1, noSlot), exact: slots(1, noSlot), recall: 1 },
  ])('$name', ({ found, exact, recall }) => {
    const two = audit();
    for (let i = 0; i < 2; i++) two.add(found, exact);
    expect(two.estimate()).toMatchObject({ recall, queries: 2 });
  });

  test('queries with nothing to find teach nothing', () => {
    const none = audit();
    for (let i = 0; i < 5; i++) none.add(slots(noSlot), slots(noSlot));
    expect(none.estimate()).toBeUndefined();
  });

  test('looks back on its window only', () => {
    const short = audit(10);
    for (let i = 0; i < 50; i++) short.add(slots(2), slots(1));
    for (let i = 0; i < 10; i++) short.add(slots(1), slots(1));
    expect(short.estimate()).toMatchObject({ recall: 1, queries: 10 });
  });

  test('its interval holds the true recall in about 95 of 100 audits', () => {
    let held = 0;
    for (let seed = 0; seed < 300; seed++) {
      const prng = new Prng(seed);
      const one = new RecallAudit({ share: 1, windowMax: 1000, prng });
      for (let query = 0; query < 200; query++) {
        one.add(
          slots(...Array.from({ length: 10 }, (_, i) => (prng.nextFloat() < 0.9 ? i : 100 + i))),
          slots(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
        );
      }
      const estimate = one.estimate();
      if (estimate !== undefined && estimate.low <= 0.9 && estimate.high >= 0.9) held++;
    }
    expect(held / 300).toBeGreaterThan(0.91);
  });

  test('picks the share that it is told', () => {
    const some = audit(10, 0.1);
    const picked = Array.from({ length: 10_000 }, () => some.picks()).filter((each) => each).length;
    expect(picked).toBeGreaterThan(900);
    expect(picked).toBeLessThan(1100);
  });

  test('an estimate lies within its interval, and that within 0 and 1', () => {
    const anyQuery = fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(fc.tuple(anyQuery, anyQuery), { minLength: 2, maxLength: 30 }), (queries) => {
        const one = audit();
        for (const [found, exact] of queries) one.add(slots(...found), slots(...exact));
        const { recall, low, high } = one.estimate() ?? { recall: -1, low: 0, high: 0 };
        expect(low).toBeGreaterThanOrEqual(0);
        expect(low).toBeLessThanOrEqual(recall);
        expect(recall).toBeLessThanOrEqual(high);
        expect(high).toBeLessThanOrEqual(1);
      }),
    );
  });
});
