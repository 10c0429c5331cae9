import { describe, expect, test } from '@jest/globals';
import { colocated, disaggregated, nameOf, splitsOf } from './fleet.js';
import { publishedShape } from './published-shape.js';
import { attainmentOf, percentileOf, simulate } from './simulate.js';
import { simulateStepByStep } from './step-by-step.js';
import { drawnTrace } from './testing.js';
import { traceOf } from './trace.js';

const one = { arrivalMs: 100, images: 0, patches: 0, promptTokens: 200, cachedTokens: 0, outputTokens: 11 };
const shape = publishedShape();

describe('one request alone', () => {
  const prefill = 18.1 + 0.102 * 200 + 7.1e-6 * 200 * 200;
  const step = (i: number) => 19.9 + 6.3e-4 * (201 + i) + 0.0385;
  const steps = Array.from({ length: 10 }, (_, i) => step(i)).reduce((sum, ms) => sum + ms, 0);
  const moved = 1 + (200 * 800_000) / 1e7;

  test('takes the formulas', () => {
    const { ttftMs, tpotMs } = simulate(traceOf([one]), disaggregated(0, 1, 1), shape);
    expect(ttftMs[0]).toBeCloseTo(prefill, 6);
    expect(tpotMs[0]).toBeCloseTo((moved + steps) / 10, 6);
  });

  test('with images: encoded side by side where there are encoders, one after the other where there are none', () => {
    const request = { ...one, images: 3, patches: 3 * 576 };
    const image = 5 + 0.05 * 576;
    const mediaMoved = 1 + (3 * 576 * 8192) / 1e7;
    const first = (encoders: number) => simulate(traceOf([request]), disaggregated(encoders, 1, 1), shape).ttftMs[0];
    expect(first(3)).toBeCloseTo(image + mediaMoved + prefill, 6);
    expect(first(2)).toBeCloseTo(2 * image + mediaMoved + prefill, 6);
    expect(first(0)).toBeCloseTo(3 * image + prefill, 6);
  });

  test('together in one group nothing is moved, and a long prompt is computed in chunks', () => {
    const { ttftMs, tpotMs } = simulate(traceOf([one]), colocated(0, 1), shape);
    expect(ttftMs[0]).toBeCloseTo(prefill, 6);
    expect(tpotMs[0]).toBeCloseTo(steps / 10, 6);
    const long = simulate(traceOf([{ ...one, promptTokens: 1200 }]), colocated(0, 1), shape);
    expect(long.ttftMs[0]).toBeCloseTo(3 * 18.1 + 0.102 * 1200 + 7.1e-6 * 1200 * 1200, 6);
  });

  test('cached tokens are not computed, and attended to', () => {
    const { ttftMs } = simulate(traceOf([{ ...one, cachedTokens: 150 }]), disaggregated(0, 1, 1), shape);
    expect(ttftMs[0]).toBeCloseTo(18.1 + 0.102 * 50 + 7.1e-6 * (200 * 200 - 150 * 150), 6);
  });

  test('a reply of one token has no time per output token, and meets any', () => {
    const found = simulate(traceOf([{ ...one, outputTokens: 1 }]), disaggregated(0, 1, 1), shape);
    expect(found.tpotMs[0]).toBeNaN();
    expect(attainmentOf(found, { ttftMs: 1000, tpotMs: 0, attainment: 1 })).toBe(1);
  });
});

describe('many requests', () => {
  test.each([
    { split: disaggregated(0, 1, 1), rps: 3, limits: {} },
    { split: disaggregated(0, 1, 1), rps: 12, limits: {} },
    { split: disaggregated(0, 2, 3), rps: 20, limits: {} },
    { split: disaggregated(0, 2, 1), rps: 10, limits: { kvTokensMax: 6000 } },
    { split: disaggregated(0, 2, 1), rps: 10, limits: { sequencesMax: 9 } },
  ])('$split at $rps a second, $limits: as when every step is played', ({ split, rps, limits }) => {
    const trace = drawnTrace({ requests: 300, rps });
    const here = publishedShape(limits);
    const [fast, plain] = [simulate(trace, split, here), simulateStepByStep(trace, split, here)];
    for (const share of [0.5, 0.9, 0.99]) {
      expect(Math.abs(percentileOf(fast.ttftMs, share) / percentileOf(plain.ttftMs, share) - 1)).toBeLessThan(1e-6);
      expect(Math.abs(percentileOf(fast.tpotMs, share) / percentileOf(plain.tpotMs, share) - 1)).toBeLessThan(0.01);
    }
  });

  test('every request ends, whatever the split, and more groups are not slower', () => {
    const trace = drawnTrace({ requests: 200, rps: 10, imagesBelow: 4 });
    for (const split of splitsOf(5)) {
      const { ttftMs, tpotMs } = simulate(trace, split, shape);
      expect([nameOf(split), [...ttftMs].every((ms) => ms > 0 && ms < 1e6)]).toEqual([nameOf(split), true]);
      expect([nameOf(split), [...tpotMs].some((ms) => ms === Number.POSITIVE_INFINITY)]).toEqual([
        nameOf(split),
        false,
      ]);
    }
    const few = percentileOf(simulate(trace, disaggregated(1, 1, 1), shape).ttftMs, 0.9);
    const many = percentileOf(simulate(trace, disaggregated(4, 4, 4), shape).ttftMs, 0.9);
    expect(many).toBeLessThan(few);
  });

  test('a request that no group can hold never ends, and is missed', () => {
    const found = simulate(traceOf([one]), disaggregated(0, 1, 1), publishedShape({ kvTokensMax: 100 }));
    expect(found.tpotMs[0]).toBe(Number.POSITIVE_INFINITY);
    expect(attainmentOf(found, { ttftMs: 1e9, tpotMs: 1e9, attainment: 1 })).toBe(0);
  });

  test('decoding waits for prompts where both are in one group', () => {
    const short = Array.from({ length: 20 }, (_, i) => ({ ...one, arrivalMs: i * 10, outputTokens: 60 }));
    const long = { ...one, arrivalMs: 500, promptTokens: 6000 };
    const apart = simulate(traceOf([...short, long]), disaggregated(0, 1, 1), shape);
    const together = simulate(traceOf([...short, long]), colocated(0, 2), shape);
    expect(percentileOf(together.tpotMs, 0.9)).toBeGreaterThan(percentileOf(apart.tpotMs, 0.5));
  });
});

test('the value that a share lies below', () => {
  const values = Float64Array.from([5, Number.NaN, 1, 4, 2, 3]);
  expect([0.2, 0.5, 0.9, 1].map((share) => percentileOf(values, share))).toEqual([1, 3, 5, 5]);
  expect(percentileOf(new Float64Array(0), 0.5)).toBeNaN();
});
