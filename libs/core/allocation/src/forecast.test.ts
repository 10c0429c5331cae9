import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { Forecast } from './forecast.js';

/** Mean error of the forecast and of persistence, one window ahead, over the last half of the values. */
function errorsOf(forecast: Forecast, values: readonly number[]): { ours: number; persistence: number } {
  let [ours, persistence] = [0, 0];
  for (const [i, value] of values.entries()) {
    if (i >= values.length / 2) {
      ours += Math.abs(forecast.next() - value);
      persistence += Math.abs((values[i - 1] as number) - value);
    }
    forecast.add(value);
  }
  return { ours: ours / (values.length / 2), persistence: persistence / (values.length / 2) };
}

const noisy = (count: number, of: (i: number) => number, seed = 1) => {
  const prng = new Prng(seed);
  return Array.from({ length: count }, (_, i) => Math.max(0, of(i) + prng.nextFloat() - 0.5));
};

describe('the forecast of the next window', () => {
  test('is nothing before anything was seen, and then what was seen', () => {
    const forecast = new Forecast();
    expect(forecast.next()).toBe(0);
    forecast.add(12);
    expect(forecast.next()).toBe(12);
    expect(forecast.method).toBe('persistence');
  });

  test('follows a trend, where persistence stays behind', () => {
    const { ours, persistence } = errorsOf(
      new Forecast(),
      noisy(80, (i) => 10 + 3 * i),
    );
    expect(ours).toBeLessThan(0.75 * persistence);
  });

  test('knows a season again', () => {
    const wave = (i: number) => 50 + 40 * Math.sin((2 * Math.PI * i) / 12);
    const { ours, persistence } = errorsOf(new Forecast({ seasonWindows: 12 }), noisy(240, wave));
    expect(ours).toBeLessThan(0.4 * persistence);
  });

  test('is not worse than persistence where a rate jumps and stays', () => {
    const jumps = (i: number) => (Math.floor(i / 10) % 2 === 0 ? 20 : 120);
    const { ours, persistence } = errorsOf(new Forecast(), noisy(200, jumps));
    expect(ours).toBeLessThan(1.05 * persistence);
  });

  test('is never below zero, and a trend does not go on for ever', () => {
    const falling = new Forecast();
    for (const value of [100, 80, 60, 40, 20, 0, 0]) falling.add(value);
    expect(falling.next(50)).toBeGreaterThanOrEqual(0);
    const rising = new Forecast();
    for (let i = 0; i < 50; i++) rising.add(10 * i);
    expect(rising.next(1000)).toBeLessThan(490 + 10 * 10);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('%p is no rate', (value) => {
    expect(() => new Forecast().add(value)).toThrow('no rate');
  });
});
