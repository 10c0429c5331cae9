import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { coldKernelAt, reusableTokens } from './chunking.js';
import { reuseGridOf, reuseOf } from './reuse-grid.js';

const kernelOf = (rows: number) => (rows === 1 ? 0 : rows < 64 ? 1 : 2);

describe('a reuse grid', () => {
  test('has one entry for each run of sizes with the same kernels', () => {
    const kernels = [
      { fromRows: 1, kernel: 0 },
      { fromRows: 2, kernel: 1 },
      { fromRows: 64, kernel: 2 },
    ];
    const grid = { chunkTokens: 256, grainTokens: 16 };
    expect(reuseGridOf({ ...grid, kernelOf })).toEqual({ ...grid, kernels });
    expect(reuseGridOf({ ...grid, chunkTokens: 32, kernelOf }).kernels).toEqual(kernels.slice(0, 2));
  });

  test('whoever has it knows what the engine with its kernels reuses, and how it labels blocks', () => {
    const prompt = fc.record({
      promptTokens: fc.integer({ min: 1, max: 400 }),
      generatedTokens: fc.nat({ max: 40 }),
      storedBlocks: fc.nat({ max: 24 }),
      chunkBlocks: fc.integer({ min: 1, max: 8 }),
    });
    fc.assert(
      fc.property(prompt, ({ promptTokens, storedBlocks, chunkBlocks, ...more }) => {
        const generatedTokens = Math.min(more.generatedTokens, promptTokens - 1);
        const chunks = { chunkTokens: chunkBlocks * 16, grainTokens: 16, kernelOf };
        const storedTokens = Math.min(storedBlocks * 16, promptTokens - 1 - ((promptTokens - 1) % 16));
        const told = JSON.parse(JSON.stringify(reuseGridOf(chunks)));
        const tokenIds = new Uint32Array(promptTokens);
        const { key, reusable } = reuseOf({ tokenIds, generatedTokens, media: [], tenant: '' }, told);
        const shape = { promptTokens, generatedTokens };
        expect(reusable(storedTokens)).toBe(reusableTokens(storedTokens, shape, chunks));
        expect(key).toHaveLength(Math.floor((promptTokens - generatedTokens) / 16));
        const kernels = key.map((label) => label.charCodeAt(label.length - 1));
        expect(kernels).toEqual(key.map((_, i) => coldKernelAt(i * 16, shape, chunks)));
      }),
    );
  });
});
