import { expect, test } from '@jest/globals';
import { ProducerClocks } from './producer-clocks.js';

const hour = 3_600_000;
const second = 1000;

/** What a producer says once a second, heard after a way of 20 ms. */
function heardLive(clocks: ProducerClocks, { behindMs, fromMs = 0, seconds }: Live): (number | undefined)[] {
  return Array.from({ length: seconds }, (_, i) => {
    const nowMs = fromMs + i * second;
    return clocks.behindMs('pod', nowMs - 20 - behindMs, nowMs);
  });
}

interface Live {
  readonly behindMs: number;
  readonly fromMs?: number;
  readonly seconds: number;
}

test.each([
  { name: 'as ours is', behindMs: 0 },
  { name: 'a little behind', behindMs: 9 * second },
  { name: 'an hour ahead', behindMs: -hour },
])('a producer whose clock is $name is heard at once, by our clock', ({ behindMs }) => {
  expect(heardLive(new ProducerClocks(), { behindMs, seconds: 3 })).toEqual(Array(3).fill(behindMs + 20));
});

test('a producer whose clock is an hour behind is heard once that is sure', () => {
  const heard = heardLive(new ProducerClocks(), { behindMs: hour, seconds: 12 });
  expect(heard).toEqual([...Array(10).fill(undefined), hour + 20, hour + 20]);
});

test('what waited in the log is over, and what is said after it is heard', () => {
  const clocks = new ProducerClocks();
  // An hour of reports, five of them in each second.
  const waited = Array.from({ length: 3600 }, (_, i) => clocks.behindMs('pod', i * second, hour + i * 200));
  expect(waited.every((behindMs) => behindMs === undefined)).toBe(true);
  expect(clocks.behindMs('pod', 2 * hour - 20, 2 * hour)).toBe(20);
});

test('what comes late from a producer that was heard is over', () => {
  const clocks = new ProducerClocks();
  heardLive(clocks, { behindMs: 0, seconds: 3 });
  expect(clocks.behindMs('pod', 3 * second, 34 * second)).toBeUndefined();
  expect(clocks.behindMs('pod', 5 * second, 34 * second)).toBe(20);
});

test('a clock that was set right is known by what it says next', () => {
  const clocks = new ProducerClocks();
  heardLive(clocks, { behindMs: hour, seconds: 12 });
  expect(heardLive(clocks, { behindMs: 0, fromMs: 12 * second, seconds: 1 })).toEqual([20]);
});
