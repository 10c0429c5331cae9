import { expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { Demand } from './demand.js';

test('demand is what is here for a model, and how long ago the last request came or went', () => {
  const clock = new ManualClock(1000);
  const demand = new Demand(['m', 'n'], clock);
  clock.advance(500);
  expect(demand.report()).toEqual([
    { model: 'm', running: 0, held: 0, idleMs: 500 },
    { model: 'n', running: 0, held: 0, idleMs: 500 },
  ]);
  const first = demand.enter('m');
  const second = demand.enter('m');
  const held = demand.hold('m');
  clock.advance(100);
  expect(demand.report()[0]).toEqual({ model: 'm', running: 1, held: 1, idleMs: 0 });
  held[Symbol.dispose]();
  first[Symbol.dispose]();
  second[Symbol.dispose]();
  clock.advance(7);
  expect(demand.report()[0]).toEqual({ model: 'm', running: 0, held: 0, idleMs: 7 });
  demand.enter('of no pool')[Symbol.dispose]();
  expect(demand.report()).toHaveLength(2);
});
