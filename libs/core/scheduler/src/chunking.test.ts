import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chunkAt, coldKernelAt, reusableTokens } from './chunking.js';

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

describe('reusableTokens', () => {
  const kernelOf = (rows: number) => (rows === 1 ? 0 : rows < 64 ? 1 : 2);
  const grid = { chunkTokens: 256, grainTokens: 16, kernelOf };

  test.each([
    { name: 'nothing stored', stored: 0, promptTokens: 100, reused: 0 },
    { name: 'enough rows left for the kernels of many', stored: 16, promptTokens: 100, reused: 16 },
    { name: 'too few left: some stored rows are computed again', stored: 96, promptTokens: 100, reused: 32 },
    { name: 'a chunk just over the border reuses nothing', stored: 64, promptTokens: 70, reused: 0 },
    { name: 'a chunk below the border may leave few', stored: 32, promptTokens: 40, reused: 32 },
    { name: 'one row is never left of several', stored: 32, promptTokens: 33, reused: 16 },
    { name: 'one row that is alone in its chunk', stored: 256, promptTokens: 257, reused: 256 },
    { name: 'a last chunk below the border', stored: 272, promptTokens: 300, reused: 272 },
    { name: 'a replay reuses all of its prompt', stored: 96, promptTokens: 105, generatedTokens: 9, reused: 96 },
    { name: 'a replay whose prompt has rows left', stored: 80, promptTokens: 105, generatedTokens: 9, reused: 32 },
  ])('$name', ({ stored, promptTokens, generatedTokens = 0, reused }) => {
    expect(reusableTokens(stored, { promptTokens, generatedTokens }, grid)).toBe(reused);
  });

  test('every row goes through the kernels of a cold run, and no more stored rows could be reused', () => {
    const stored = fc.nat({ max: 400 });
    const chunk = fc.constantFrom(16, 64, 80, 256);
    fc.assert(
      fc.property(anyPrompt(), stored, chunk, (prompt, storedBlocks, chunkTokens) => {
        const own = { ...grid, chunkTokens };
        const storedTokens = Math.min(storedBlocks, Math.floor((prompt.promptTokens - 1) / 16)) * 16;
        const textEnd = prompt.promptTokens - prompt.generatedTokens;
        const isCold = (start: number) =>
          chunksFrom(start, prompt, chunkTokens)
            .filter(({ rows }) => rows === 'prompt')
            .every(({ start: at, end }) => kernelOf(end - at) === coldKernelAt(at, prompt, own));
        fc.pre(storedTokens <= textEnd);
        const reused = reusableTokens(storedTokens, prompt, own);
        expect([reused % 16, reused <= storedTokens, isCold(reused)]).toEqual([0, true, true]);
        for (let more = reused + 16; more <= storedTokens; more += 16) expect(isCold(more)).toBe(false);
      }),
    );
  });
});

function anyPrompt() {
  return fc
    .record({ promptTokens: fc.integer({ min: 1, max: 600 }), generated: fc.nat() })
    .map(({ promptTokens, generated }) => ({ promptTokens, generatedTokens: generated % promptTokens }));
}

function chunksFrom(start: number, prompt: { promptTokens: number; generatedTokens: number }, chunkTokens: number) {
  const chunks = [];
  for (let at = start; at < prompt.promptTokens; at = (chunks.at(-1) as { end: number }).end) {
    chunks.push(chunkAt(at, prompt, chunkTokens));
  }
  return chunks;
}
