import { describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import type { Outcome } from '@tercet/controller-core';
import { hearOutcomes, hearWork } from './hear-load.js';

describe('what is heard of the load', () => {
  test('steps come in the features of their stage; one of a kind that is not known is left out', () => {
    const heard: unknown[] = [];
    const work = [
      { ms: 1, step: { $case: 'encode', value: { patches: 64 } } },
      { ms: 2, step: { $case: 'prefill', value: { tokens: 10, squares: 100 } } },
      { ms: 3, step: { $case: 'decode', value: { batch: 2, contextTokens: 50 } } },
      { ms: 4 },
    ] as const;
    hearWork(wire.LoadReport.fromPartial({ work: [...work] }), {
      heardWork: (stage, features, ms) => void heard.push([stage, features, ms]),
    });
    expect(heard).toEqual([
      ['encode', [1, 64], 1],
      ['prefill', [1, 10, 100], 2],
      ['decode', [1, 50, 2], 3],
    ]);
  });

  test('a request that failed counts, unless by its client, and is replayed by our clock', () => {
    const heard: Outcome[] = [];
    const outcomes = [
      { arrivalUnixMs: 5n, promptTokens: 9, cachedTokens: 4, outputTokens: 3, ttftMs: 20, tpotMs: 2, ended: 'ok' },
      { arrivalUnixMs: 6n, promptTokens: 9, ended: 'stage_failed' },
      { arrivalUnixMs: 7n, ended: 'overloaded' },
      { arrivalUnixMs: 8n, promptTokens: 9, ended: 'cancelled' },
      { arrivalUnixMs: 9n, ended: 'prompt_too_long' },
    ];
    const report = wire.OutcomesReport.fromPartial({ outcomes });
    hearOutcomes(report, 100, { heardOutcome: (outcome) => void heard.push(outcome) });
    const more = { images: 0, patches: 0, promptTokens: 9 };
    expect(heard).toEqual([
      { arrivalMs: 105, request: { ...more, cachedTokens: 4, outputTokens: 3 }, ttftMs: 20, tpotMs: 2 },
      { arrivalMs: 106, request: { ...more, cachedTokens: 0, outputTokens: 1 }, ttftMs: undefined, tpotMs: undefined },
      { arrivalMs: 107, request: undefined, ttftMs: undefined, tpotMs: undefined },
    ]);
  });
});
