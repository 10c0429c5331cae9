import { expect, test } from '@jest/globals';
import { drawnTrace } from './testing.js';
import { grown, rateOf, scaled, traceOf } from './trace.js';

const request = { arrivalMs: 0, images: 0, patches: 0, promptTokens: 5, cachedTokens: 0, outputTokens: 2 };

test('requests are sorted by their arrival', () => {
  const trace = traceOf([
    { ...request, arrivalMs: 20, promptTokens: 7 },
    { ...request, arrivalMs: 10 },
  ]);
  expect([...trace.arrivalMs, ...trace.promptTokens]).toEqual([10, 20, 5, 7]);
});

test('the rate is that of the whole; faster is the same requests in less time', () => {
  const trace = drawnTrace({ requests: 500, rps: 8 });
  expect(rateOf(trace)).toBeGreaterThan(6.5);
  expect(rateOf(trace)).toBeLessThan(9.5);
  expect(rateOf(scaled(trace, 3))).toBeCloseTo(3 * rateOf(trace), 6);
  expect([rateOf(traceOf([])), rateOf(traceOf([request]))]).toEqual([0, 0]);
});

test('a larger fleet gets as many times the requests in the same time, spread', () => {
  const trace = drawnTrace({ requests: 200, rps: 8 });
  const larger = grown(trace, 5);
  expect(larger.length).toBe(1000);
  expect(rateOf(larger) / rateOf(trace)).toBeCloseTo(5, 1);
  const total = (tokens: Uint32Array) => tokens.reduce((sum, n) => sum + n, 0);
  expect(total(larger.outputTokens)).toBe(5 * total(trace.outputTokens));
});

test.each([{ promptTokens: 0 }, { outputTokens: 0 }, { cachedTokens: 5 }])('%o is no request', (more) => {
  expect(() => traceOf([{ ...request, ...more }])).toThrow();
});
