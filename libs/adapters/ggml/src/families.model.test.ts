import { describe, expect, test } from '@jest/globals';
import { bestOf, distance, fixturePath, golden, never, openFixture, prefill } from './testing.js';

interface GoldenText {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
  readonly firstLogits: readonly number[];
  readonly lastLogits: readonly number[];
  /** How far a logit may be off: KV is float16 here and float32 in the reference. */
  readonly bound: number;
}

interface GoldenRows {
  readonly tiles: number;
  readonly pixelEighths: readonly number[];
  readonly rows: readonly number[];
  readonly bound: number;
}

describe.each(['llama', 'gemma3'])('%s with random weights, against the reference implementation', (name) => {
  test.each([
    { how: 'the prompt in one chunk', chunkTokens: 64, layerGroups: 1 },
    { how: 'the prompt in one chunk and layers in groups', chunkTokens: 64, layerGroups: 3 },
    { how: 'the prompt in chunks', chunkTokens: 16, layerGroups: 4 },
    { how: 'the prompt token by token', chunkTokens: 1, layerGroups: 4 },
  ])('$how: the greedy text is equal and logits are near', async ({ chunkTokens, layerGroups }) => {
    const { prompt, tokens, firstLogits, lastLogits, bound } = golden<GoldenText>(name);
    await using backend = openFixture(name, { layerGroups });
    let logits = await prefill(backend, prompt, { slot: 2, chunkTokens });
    expect(distance(logits, firstLogits)).toBeLessThan(bound);
    const text = [bestOf(logits)];
    while (text.length < tokens.length) {
      const row = { slot: 2, position: prompt.length + text.length - 1, tokenId: text.at(-1) as number };
      logits = (await backend.run({ prefills: [], decodes: [row], threads: 1 }, never)).decodes[0] as Float32Array;
      text.push(bestOf(logits));
    }
    expect(text).toEqual(tokens);
    expect(distance(logits, lastLogits)).toBeLessThan(bound);
  });
});

describe('the SmolVLM vision tower with random weights, against the reference implementation', () => {
  const { tiles, pixelEighths, rows, bound } = golden<GoldenRows>('smolvlm-vision');
  const pixels = Float32Array.from(pixelEighths, (eighths) => eighths / 8);
  const open = () => openFixture('llama', { mmprojPath: fixturePath('smolvlm-vision.gguf') });

  test('media tokens are near, and each tile is computed as if it were alone', async () => {
    await using backend = open();
    const together = await backend.encodeTiles({ pixels, tileCount: tiles, threads: 1 }, never);
    expect(distance(together, rows)).toBeLessThan(bound);
    const perTile = pixels.length / tiles;
    for (let tile = 0; tile < tiles; tile++) {
      const own = pixels.subarray(tile * perTile, (tile + 1) * perTile);
      const alone = await backend.encodeTiles({ pixels: own, tileCount: 1, threads: 2 }, never);
      expect(alone).toEqual(together.subarray(tile * alone.length, (tile + 1) * alone.length));
    }
  });

  test('more tiles than one pass takes come back in order', async () => {
    await using backend = open();
    const many = new Float32Array(pixels.length * 7);
    for (let i = 0; i < 7; i++) many.set(pixels, i * pixels.length);
    const out = await backend.encodeTiles({ pixels: many, tileCount: 7 * tiles, threads: 1 }, never);
    const once = out.slice(0, rows.length);
    for (let i = 0; i < 7; i++) expect(out.subarray(i * rows.length, (i + 1) * rows.length)).toEqual(once);
  });
});
