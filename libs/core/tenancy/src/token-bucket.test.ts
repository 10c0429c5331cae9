import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TokenBucket } from './token-bucket.js';

describe('TokenBucket', () => {
  test('a full bucket serves a burst of one minute, then its rate', () => {
    const bucket = new TokenBucket(60, 0);
    expect(bucket.take(60, 0)).toBe(0);
    expect(bucket.take(1, 0)).toBe(1000);
    expect(bucket.take(1, 500)).toBe(500);
    expect(bucket.take(1, 1000)).toBe(0);
  });

  test('a request larger than a burst waits for a full bucket and leaves a debt', () => {
    const bucket = new TokenBucket(100, 0);
    expect(bucket.take(10, 0)).toBe(0);
    expect(bucket.take(150, 0)).toBe(6000);
    expect(bucket.take(150, 6000)).toBe(0);
    expect(bucket.level(6000)).toBe(-50);
    expect(bucket.take(1, 6000)).toBe(30_600);
  });

  test('what must leave something to others waits until more than that is there', () => {
    const bucket = new TokenBucket(100, 0);
    expect(bucket.take(30, 0, 0.5)).toBe(0);
    expect(bucket.take(30, 0, 0.5)).toBe(6000);
    expect(bucket.take(30, 0)).toBe(0);
    expect(bucket.take(90, 0, 0.5)).toBe(36_000);
    expect(bucket.take(90, 36_000, 0.5)).toBe(0);
  });

  test.each([
    { name: 'what was charged too much comes back', charged: 80, used: 20, level: 80 },
    { name: 'what was charged too little is taken', charged: 20, used: 80, level: 20 },
    { name: 'more than was there leaves a debt', charged: 20, used: 180, level: -80 },
    { name: 'a bucket is never more than full', charged: 0, used: -50, level: 100 },
  ])('$name', ({ charged, used, level }) => {
    const bucket = new TokenBucket(100, 0);
    bucket.take(charged, 0);
    bucket.give(charged - used, 0);
    expect(bucket.level(0)).toBe(level);
  });

  test.each([
    { name: 'a higher rate adds what the burst grew by', to: 150, level: 90 },
    { name: 'a lower rate keeps what still fits', to: 30, level: 30 },
    { name: 'the same rate changes nothing', to: 100, level: 40 },
  ])('$name', ({ to, level }) => {
    const bucket = new TokenBucket(100, 0);
    bucket.take(60, 0);
    bucket.setRate(to, 0);
    expect(bucket.level(0)).toBe(level);
  });

  test('a clock that goes back takes nothing away', () => {
    const bucket = new TokenBucket(60, 10_000);
    bucket.take(30, 10_000);
    expect(bucket.level(5000)).toBe(30);
  });

  const anyTakes = fc.array(fc.record({ afterMs: fc.nat(30_000), amount: fc.integer({ min: 1, max: 400 }) }), {
    maxLength: 60,
  });

  test('over any time, what was taken is at most a burst, the rate, and one request', () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), anyTakes, (perMinute, takes) => {
        const bucket = new TokenBucket(perMinute, 0);
        let [now, taken, largest] = [0, 0, 0];
        for (const { afterMs, amount } of takes) {
          now += afterMs;
          if (bucket.take(amount, now) > 0) continue;
          taken += amount;
          largest = Math.max(largest, amount);
          expect(taken).toBeLessThanOrEqual(perMinute + (now * perMinute) / 60_000 + largest + 1e-6);
        }
      }),
    ));

  test('the time that it asks to wait is enough, and no more than needed', () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), anyTakes, (perMinute, takes) => {
        const bucket = new TokenBucket(perMinute, 0);
        let now = 0;
        for (const { amount } of takes) {
          const waitMs = bucket.take(amount, now);
          if (waitMs > 1) expect(bucket.take(amount, now + waitMs - 2)).toBeGreaterThan(0);
          if (waitMs > 0) expect(bucket.take(amount, now + waitMs + 1)).toBe(0);
          now += waitMs + 1;
        }
      }),
    ));
});
