import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chunkAt } from './chunking.js';

describe('chunkAt', () => {
  test.each([
    { name: 'a prompt shorter than the chunk is one chunk', start: 0, promptTokens: 20, generatedTokens: 0, end: 20 },
    { name: 'a long prompt is cut at the grid', start: 0, promptTokens: 90, generatedTokens: 0, end: 32 },
    {
      name: 'after a prefix hit the chunk ends at the same border',
      start: 48,
      promptTokens: 90,
      generatedTokens: 0,
      end: 64,
    },
    { name: 'the last chunk ends with the prompt', start: 64, promptTokens: 90, generatedTokens: 0, end: 90 },
    { name: 'generated text begins a chunk of its own', start: 32, promptTokens: 90, generatedTokens: 40, end: 50 },
    { name: 'generated text is cut at the grid too', start: 50, promptTokens: 90, generatedTokens: 40, end: 64 },
  ])('$name', ({ start, end, ...prompt }) => {
    const rows = start >= prompt.promptTokens - prompt.generatedTokens ? 'generated' : 'prompt';
    expect(chunkAt(start, prompt, 32)).toEqual({ start, end, rows });
  });

  test('wherever a prefix ends, the chunks after the next border are those of the whole prompt', () => {
    const shape = fc.record({ promptTokens: fc.integer({ min: 1, max: 300 }), generated: fc.nat(), from: fc.nat() });
    fc.assert(
      fc.property(shape, fc.integer({ min: 1, max: 80 }), ({ promptTokens, generated, from }, chunkTokens) => {
        const prompt = { promptTokens, generatedTokens: generated % promptTokens };
        const start = from % promptTokens;
        const cold = chunksFrom(0, prompt, chunkTokens);
        const warm = chunksFrom(start, prompt, chunkTokens);
        expect(cold.at(-1)?.end).toBe(promptTokens);
        expect(warm.slice(1)).toEqual(cold.slice(cold.length - warm.length + 1));
        for (const chunk of cold) expect(chunk.end - chunk.start).toBeLessThanOrEqual(chunkTokens);
      }),
    );
  });
});

function chunksFrom(start: number, prompt: { promptTokens: number; generatedTokens: number }, chunkTokens: number) {
  const chunks = [];
  for (let at = start; at < prompt.promptTokens; at = (chunks.at(-1) as { end: number }).end) {
    chunks.push(chunkAt(at, prompt, chunkTokens));
  }
  return chunks;
}
