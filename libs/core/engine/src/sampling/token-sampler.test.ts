import { describe, expect, test } from '@jest/globals';
import { TercetError } from '@tercet/contracts';
import fc from 'fast-check';
import type { SamplingParams } from '../stage-engine.js';
import { createSamplerFactory } from './sampler-factory.js';
import { asciiVocabulary, contextOf, slowDistribution } from './testing.js';

const vocabSize = 40;
const samplerOf = createSamplerFactory(asciiVocabulary(vocabSize));

/** Logits as a model would give them: a function of the tokens so far. */
function logitsAfter(tokenIds: readonly number[]): Float32Array {
  const last = tokenIds.at(-1) ?? 0;
  return Float32Array.from({ length: vocabSize }, (_, i) => 3 * Math.sin(i * 1.7 + last * 0.31 + tokenIds.length));
}

function generate(sampling: Partial<SamplingParams>, prompt: readonly number[], tokens: number): number[] {
  const sampler = samplerOf(contextOf(sampling, { tokenIds: Uint32Array.from(prompt) }));
  const text = [...prompt];
  while (text.length < prompt.length + tokens) {
    text.push(sampler.sample(logitsAfter(text), text.length).tokenId);
  }
  return text;
}

function sampleOnce(
  sampling: Partial<SamplingParams>,
  logits: readonly number[],
  tokenIds: number[] = [],
  generated = 0,
) {
  const factory = createSamplerFactory(asciiVocabulary(logits.length));
  const context = contextOf(sampling, { tokenIds: Uint32Array.from(tokenIds), generatedTokens: generated });
  return factory(context).sample(Float32Array.from(logits), tokenIds.length);
}

describe('the sampler', () => {
  test.each([
    { name: 'takes the lowest id of the largest logits', sampling: {}, logits: [1, 3, 3, 2], tokenId: 1 },
    {
      name: 'adds bias',
      sampling: { logitBias: new Map([[3, 2]]) },
      logits: [1, 3, 3, 2],
      tokenId: 3,
    },
    {
      name: 'divides the positive logit of a prompt token by the repetition penalty',
      sampling: { repetitionPenalty: 2 },
      logits: [4, 3, 0, 0],
      tokenIds: [0],
      tokenId: 1,
    },
    {
      name: 'multiplies the negative logit of a repeated token',
      sampling: { repetitionPenalty: 2 },
      logits: [-1, -1.5, -9, -9],
      tokenIds: [0],
      tokenId: 1,
    },
    {
      name: 'leaves prompt tokens out of frequency and presence',
      sampling: { frequencyPenalty: 1, presencePenalty: 1 },
      logits: [4, 3, 0, 0],
      tokenIds: [0, 0, 0],
      tokenId: 0,
    },
    {
      name: 'subtracts the frequency penalty for each occurrence',
      sampling: { frequencyPenalty: 0.6 },
      logits: [4, 3, 0, 0],
      tokenIds: [0, 0],
      generated: 2,
      tokenId: 1,
    },
    {
      name: 'subtracts the presence penalty once',
      sampling: { presencePenalty: 0.6 },
      logits: [4, 3, 0, 0],
      tokenIds: [0, 0],
      generated: 2,
      tokenId: 0,
    },
  ])('$name', ({ sampling, logits, tokenIds, generated, tokenId }) => {
    expect(sampleOnce({ temperature: 0, ...sampling }, logits, tokenIds, generated).tokenId).toBe(tokenId);
  });

  test('counts tokens that were sampled elsewhere', () => {
    const sampler = samplerOf(contextOf({ temperature: 0, presencePenalty: 2 }));
    sampler.accept(5);
    const logits = new Float32Array(vocabSize);
    logits.set([3, 2], 5);
    expect(sampler.sample(logits, 1).tokenId).toBe(6);
  });

  test('draws tokens as often as their probability says', () => {
    const logits = Array.from({ length: 12 }, (_, i) => Math.sin(i * 3.3) * 2);
    const sampling = { temperature: 0.8, topK: 10, topP: 0.95, minP: 0.02 };
    const expected = slowDistribution(logits.map(Math.fround), sampling);
    const factory = createSamplerFactory(asciiVocabulary(12));
    const sampler = factory(contextOf({ ...sampling, seed: 99n }));
    const counts = new Map<number, number>();
    const draws = 40_000;
    for (let position = 0; position < draws; position++) {
      const { tokenId } = sampler.sample(Float32Array.from(logits), position);
      counts.set(tokenId, (counts.get(tokenId) ?? 0) + 1);
    }
    let chiSquare = 0;
    for (const [tokenId, share] of expected)
      chiSquare += ((counts.get(tokenId) ?? 0) - share * draws) ** 2 / (share * draws);
    expect([...counts.keys()].every((tokenId) => expected.has(tokenId))).toBe(true);
    // At most 9 degrees of freedom: 99.9 % lie below 27.9.
    expect(chiSquare).toBeLessThan(27.9);
  });

  test('a replay at any position goes on with the same text', () => {
    const prompt = [3, 1, 4];
    const anySampling = fc.record({
      temperature: fc.constantFrom(0, 0.7, 1.5),
      topK: fc.constantFrom(0, 5),
      topP: fc.constantFrom(1, 0.9),
      repetitionPenalty: fc.constantFrom(1, 1.3),
      frequencyPenalty: fc.constantFrom(0, 0.4),
      seed: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    });
    fc.assert(
      fc.property(anySampling, fc.integer({ min: 0, max: 19 }), (sampling, generatedTokens) => {
        const whole = generate(sampling, prompt, 20);
        const tokenIds = Uint32Array.from(whole.slice(0, prompt.length + generatedTokens));
        const sampler = samplerOf(contextOf(sampling, { tokenIds, generatedTokens }));
        const text = [...tokenIds];
        while (text.length < whole.length) text.push(sampler.sample(logitsAfter(text), text.length).tokenId);
        expect(text).toEqual(whole);
      }),
    );
  });

  test('another seed gives another text', () => {
    expect(generate({ seed: 1n }, [1], 20)).not.toEqual(generate({ seed: 2n }, [1], 20));
  });

  test('samplers that take turns do not disturb each other', () => {
    const alone = [1n, 2n].map((seed) => generate({ seed, topP: 0.9, frequencyPenalty: 0.5 }, [1], 15));
    const samplers = [1n, 2n].map((seed) =>
      samplerOf(contextOf({ seed, topP: 0.9, frequencyPenalty: 0.5 }, { tokenIds: Uint32Array.of(1) })),
    );
    const texts = [[1], [1]];
    for (let i = 0; i < 15; i++) {
      texts.forEach((text, which) => {
        text.push(samplers[which]!.sample(logitsAfter(text), text.length).tokenId);
      });
    }
    expect(texts).toEqual(alone);
  });
});

describe('logprobs', () => {
  test('are the log softmax after bias, before penalties and temperature', () => {
    const logits = [0, 1, 2, 3].map((weight) => Math.log(weight + 1));
    const token = sampleOnce(
      { temperature: 0, repetitionPenalty: 10, logitBias: new Map([[0, Math.log(4)]]), topLogprobs: 2 },
      logits,
      [3],
    );
    // Weights after bias: 4, 2, 3, 4 of 13; token 3 was in the prompt, so token 0 is chosen.
    expect(token.tokenId).toBe(0);
    expect(token.logprob).toBeCloseTo(Math.log(4 / 13), 5);
    expect(token.topLogprobs?.map(({ tokenId }) => tokenId).sort()).toEqual([0, 3]);
    for (const { logprob } of token.topLogprobs ?? []) expect(logprob).toBeCloseTo(Math.log(4 / 13), 5);
  });

  test('are absent unless asked for, and without alternatives when none are', () => {
    expect(sampleOnce({}, [1, 2])).not.toHaveProperty('logprob');
    expect(sampleOnce({ topLogprobs: 0 }, [1, 2]).topLogprobs).toEqual([]);
  });
});

describe('the factory', () => {
  test.each([
    [{ temperature: -1 }],
    [{ temperature: Number.NaN }],
    [{ topK: 1.5 }],
    [{ topP: 1.01 }],
    [{ minP: -0.1 }],
    [{ repetitionPenalty: 0 }],
    [{ frequencyPenalty: Number.POSITIVE_INFINITY }],
    [{ logitBias: new Map([[vocabSize, 1]]) }],
    [{ logitBias: new Map([[1, Number.NaN]]) }],
    [{ topLogprobs: -1 }],
  ])('refuses %j', (sampling) => {
    expect(() => samplerOf(contextOf(sampling))).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  test('a row of another length is a failure of the stage', () => {
    const sampler = samplerOf(contextOf({}));
    expect(() => sampler.sample(new Float32Array(3), 0)).toThrow(TercetError);
  });
});
