import { describe, expect, test } from '@jest/globals';
import { onlyMeasured } from './suite.js';

describe('a result', () => {
  test('has no metric without a number, and says why', () => {
    const metrics = { a: 1, ratio: Number.NaN, rate: Number.POSITIVE_INFINITY };
    expect(onlyMeasured({ metrics, peer: {}, omitted: { ratio: 'no peer' } })).toEqual({
      metrics: { a: 1 },
      peer: {},
      omitted: { ratio: 'no peer', rate: 'not measured in this run' },
    });
  });

  test('that lacks nothing says nothing', () => {
    const whole = { metrics: { a: 0 }, peer: { x: '1' } };
    expect(onlyMeasured(whole)).toEqual(whole);
  });
});
