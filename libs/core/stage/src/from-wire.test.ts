import { describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { samplingFromWire, tokenToWire } from './from-wire.js';
import { sampling } from './testing.js';

describe('samplingFromWire', () => {
  test('keeps what was set, and leaves out what was not', () => {
    const bare = samplingFromWire(sampling);
    expect(bare).toMatchObject({ temperature: 0, topP: 1, repetitionPenalty: 1 });
    expect([bare.logitBias, 'topLogprobs' in bare, 'grammar' in bare]).toEqual([new Map(), false, false]);
    const more = { topLogprobs: 3, grammar: '{}', logitBias: { 7: -100 }, seed: 5n };
    expect(samplingFromWire({ ...sampling, ...more })).toMatchObject({ ...more, logitBias: new Map([[7, -100]]) });
  });

  test.each<[field: string, values: Partial<wire.Sampling>]>([
    ['temperature', { temperature: -0.1 }],
    ['temperature', { temperature: Number.NaN }],
    ['topP', { topP: 0 }],
    ['topP', { topP: 1.1 }],
    ['minP', { minP: 2 }],
    ['repetitionPenalty', { repetitionPenalty: 0 }],
  ])('refuses %s of %o', (field, values) => {
    expect(() => samplingFromWire({ ...sampling, ...values })).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: { field: `sampling.${field}` } }),
    );
  });

  test('refuses none', () => {
    expect(() => samplingFromWire(undefined)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });
});

test('a token goes with its alternatives, or with none', () => {
  const topLogprobs = [{ tokenId: 3, logprob: -0.5 }];
  expect(tokenToWire({ tokenId: 3, logprob: -0.5, topLogprobs })).toEqual({ tokenId: 3, logprob: -0.5, topLogprobs });
  expect(tokenToWire({ tokenId: 3, logprob: -0.5 })).toEqual(
    wire.SampledToken.fromPartial({ tokenId: 3, logprob: -0.5 }),
  );
});
