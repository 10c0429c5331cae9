import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { OnlineFit } from './online-fit.js';

const prng = new Prng(3);
const draw = () => [1, 1 + prng.nextBelow(2000), 1 + prng.nextBelow(64)];
const timeOf = ([one = 0, tokens = 0, batch = 0]: readonly number[], [a = 0, b = 0, c = 0]: readonly number[]) =>
  a * one + b * tokens + c * batch;

describe('OnlineFit', () => {
  test('finds the coefficients of exact times, and says that it is certain', () => {
    const fit = new OnlineFit({ features: 3 });
    for (let i = 0; i < 50; i++) {
      const features = draw();
      fit.add(features, timeOf(features, [18, 0.1, 0.04]));
    }
    const found = fit.solve();
    expect(found?.coefficients[0]).toBeCloseTo(18, 2);
    expect(found?.coefficients[1]).toBeCloseTo(0.1, 4);
    expect(found?.coefficients[2]).toBeCloseTo(0.04, 3);
    expect(found?.relativeError).toBeLessThan(1e-3);
    expect(found?.uncertainty([1, 500, 8])).toBeLessThan(1e-3);
  });

  test('the error is relative: short times weigh as much as long ones', () => {
    const fit = new OnlineFit({ features: 2 });
    for (let i = 0; i < 400; i++) {
      const work = i % 2 === 0 ? 1 : 10_000;
      fit.add([1, work], (5 + 0.2 * work) * (0.9 + 0.2 * prng.nextFloat()));
    }
    const [a = 0, b = 0] = fit.solve()?.coefficients ?? [];
    expect(Math.abs((a + b) / 5.2 - 1)).toBeLessThan(0.03);
    expect(Math.abs((a + b * 10_000) / 2005 - 1)).toBeLessThan(0.03);
  });

  test('what takes long by chance is not overlooked: the fit is the mean, however skewed the times are', () => {
    const fit = new OnlineFit({ features: 2 });
    let [steps, sum] = [0, 0];
    for (let i = 0; i < 4000; i++) {
      const work = 1 + prng.nextBelow(100);
      const ms = (5 + work) * (prng.nextFloat() < 0.9 ? 0.8 : 2.8);
      fit.add([1, work], ms);
      if (i < 1000) continue;
      steps += 5 + work;
      sum += ms;
    }
    const { coefficients: [a = 0, b = 0] = [], relativeError = 0 } = fit.solve() ?? {};
    expect(Math.abs((a + b * 50) / ((55 * sum) / steps) - 1)).toBeLessThan(0.05);
    expect(relativeError).toBeCloseTo(0.6, 1);
  });

  test('a hiccup of a thousand times the usual does not rule', () => {
    const fit = new OnlineFit({ features: 2 });
    for (let i = 0; i < 1000; i++) fit.add([1, i % 50], (10 + (i % 50)) * (i === 500 ? 1000 : 1));
    const [a = 0, b = 0] = fit.solve()?.coefficients ?? [];
    expect(Math.abs((a + b * 25) / 35 - 1)).toBeLessThan(0.02);
  });

  test('no coefficient is below zero', () => {
    const fit = new OnlineFit({ features: 2 });
    for (let i = 1; i <= 20; i++) fit.add([1, i], 100 - i);
    const [a = 0, b = -1] = fit.solve()?.coefficients ?? [];
    expect(b).toBe(0);
    expect(a).toBeGreaterThan(80);
  });

  test('what is old fades: it follows a machine that became slower', () => {
    const fit = new OnlineFit({ features: 2, memory: 50 });
    for (let i = 0; i < 1000; i++) {
      const work = 1 + prng.nextBelow(100);
      fit.add([1, work], (2 + work) * (i < 500 ? 1 : 3));
    }
    expect(fit.solve()?.coefficients[1]).toBeCloseTo(3, 2);
  });

  test('few or like samples leave it uncertain', () => {
    const fit = new OnlineFit({ features: 2 });
    expect(fit.solve()).toBeUndefined();
    for (let i = 0; i < 30; i++) fit.add([1, 100 + prng.nextFloat()], 50 * (0.9 + 0.2 * prng.nextFloat()));
    const found = fit.solve();
    expect(found?.uncertainty([1, 100])).toBeLessThan(0.1);
    expect(found?.uncertainty([1, 100_000])).toBeGreaterThan(10 * (found?.uncertainty([1, 100]) ?? 0));
  });

  test('times that cannot be are left out', () => {
    const fit = new OnlineFit({ features: 1 });
    for (const ms of [0, -1, Number.NaN]) fit.add([1], ms);
    fit.add([Number.NaN], 1);
    expect(fit.weight).toBe(0);
  });
});
