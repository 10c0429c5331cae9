import { describe, expect, test } from '@jest/globals';
import { generate, openTestEngine, promptOf } from '../embedded/testing.js';
import type { SamplingParams } from '../stage-engine.js';
import { createSamplerFactory } from './sampler-factory.js';
import { asciiVocabulary, plain } from './testing.js';

const vocabulary = asciiVocabulary(100);
const { endOfTextTokenIds } = vocabulary;
const schema = JSON.stringify({ type: 'array', items: { type: 'string', maxLength: 9 }, minItems: 6 });

function openEngine() {
  const samplerOf = createSamplerFactory(vocabulary);
  return openTestEngine({ backend: { vocabSize: 100 }, samplerOf, endOfTextTokenIds }).engine;
}

const requests: readonly { name: string; sampling: SamplingParams }[] = [
  { name: 'a seed', sampling: { ...plain, seed: 3n, ignoreEos: true } },
  {
    name: 'truncation and penalties',
    sampling: {
      ...plain,
      topK: 30,
      topP: 0.9,
      repetitionPenalty: 1.2,
      frequencyPenalty: 0.5,
      seed: 4n,
      ignoreEos: true,
    },
  },
  { name: 'a schema', sampling: { ...plain, grammar: schema, seed: 5n } },
];

describe('sampling through the engine', () => {
  test.each(requests)(
    '$name gives one text: alone, in a batch, over a hand-over, after a replay',
    async ({ sampling }) => {
      const prompt = promptOf(21);
      const tokensMax = 40;
      const engine = openEngine();
      const alone = await generate({ prefill: engine, decode: engine }, { tokenIds: prompt, tokensMax, sampling });
      const handedOver = await generate(
        { prefill: openEngine(), decode: openEngine() },
        { tokenIds: prompt, tokensMax, sampling },
      );
      expect(handedOver.tokenIds).toEqual(alone.tokenIds);
      const others = requests.map((other, i) => ({
        tokenIds: promptOf(10 + i, i + 2),
        tokensMax,
        sampling: other.sampling,
      }));
      const batch = [{ tokenIds: prompt, tokensMax, sampling }, ...others];
      const texts = await Promise.all(batch.map((one) => generate({ prefill: engine, decode: engine }, one)));
      expect(texts[0]?.tokenIds).toEqual(alone.tokenIds);
      for (const generatedTokens of [1, 7, alone.tokenIds.length - 2]) {
        const head = alone.tokenIds.slice(0, generatedTokens);
        const replay = {
          tokenIds: Uint32Array.of(...prompt, ...head),
          generatedTokens,
          tokensMax: tokensMax - generatedTokens,
        };
        const rest = await generate({ prefill: engine, decode: engine }, { ...replay, sampling });
        expect([...head, ...rest.tokenIds]).toEqual(alone.tokenIds);
      }
    },
  );

  test('a schema that cannot be enforced fails its request with its code', async () => {
    const engine = openEngine();
    const sampling = { ...plain, grammar: '{"not":{}}' };
    const text = generate({ prefill: engine, decode: engine }, { tokenIds: promptOf(5), tokensMax: 5, sampling });
    await expect(text).rejects.toMatchObject({ code: 'grammar_unsupported' });
    expect(engine.load()).toMatchObject({ running: 0, waiting: 0, kvBlocksUsed: 0 });
  });

  test('rubbish logits fail their request, and the engine goes on', async () => {
    const engine = openEngine();
    const sampling = { ...plain, logitBias: new Map([[1, Number.MAX_VALUE]]) };
    const text = generate({ prefill: engine, decode: engine }, { tokenIds: promptOf(5), tokensMax: 5, sampling });
    await expect(text).rejects.toMatchObject({ code: 'stage_failed' });
    const next = { tokenIds: promptOf(5), tokensMax: 5, sampling: { ...plain, ignoreEos: true } };
    expect((await generate({ prefill: engine, decode: engine }, next)).tokenIds).toHaveLength(5);
  });
});
