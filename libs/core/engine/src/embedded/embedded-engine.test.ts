import { describe, expect, test } from '@jest/globals';
import { generate, openTestEngine, promptOf } from './testing.js';

describe('EmbeddedEngine', () => {
  test('a text handed over between two engines equals the text of one engine', async () => {
    const a = openTestEngine().engine;
    const b = openTestEngine().engine;
    const request = { tokenIds: promptOf(70), tokensMax: 12 };
    const alone = await generate({ prefill: a, decode: a }, request);
    const handedOver = await generate({ prefill: a, decode: b }, request);
    expect(alone.tokenIds).toHaveLength(12);
    expect(handedOver.tokenIds).toEqual(alone.tokenIds);
    expect([alone.cachedTokens, handedOver.cachedTokens]).toEqual([0, 64]);
    expect(a.load()).toMatchObject({ waiting: 0, running: 0, kvBlocksUsed: 0 });
    expect(b.load()).toMatchObject({ waiting: 0, running: 0, kvBlocksUsed: 0 });
  });
});
