import { describe, expect, test } from '@jest/globals';
import { type ConditionNow, withTransitions } from './conditions.js';

const ready = (status: 'True' | 'False', message = ''): ConditionNow => ({
  type: 'Ready',
  status,
  reason: 'R',
  message,
});

describe('conditions', () => {
  test('tell since when they are so: a new message is no change, another status is', () => {
    const first = withTransitions([], [ready('True')], { unixMs: 0, generation: 1 });
    const second = withTransitions(first, [ready('True', 'more')], { unixMs: 1000, generation: 2 });
    const third = withTransitions(second, [ready('False')], { unixMs: 2000, generation: 2 });
    const since = [first, second, third].map(([condition]) => condition?.lastTransitionTime);
    expect(since).toEqual(['1970-01-01T00:00:00.000Z', '1970-01-01T00:00:00.000Z', '1970-01-01T00:00:02.000Z']);
    expect(second[0]).toMatchObject({ message: 'more', observedGeneration: 2 });
  });
});
