import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { EmbeddedEngine, greedySampler } from '@tercet/engine';
import { readGguf } from '@tercet/gguf';
import { needsModel } from '@tercet/testing';
import { tokenizerOf } from '@tercet/text';
import { GgmlEmbedder } from './ggml-embedder.js';
import { distance, fixturePath, golden, never } from './testing.js';

interface GoldenVectors {
  readonly inputs: readonly (readonly number[])[];
  readonly vectors: readonly (readonly number[])[];
  readonly bound: number;
}

const open = (name = 'bert', contextTokensMax = 512) =>
  GgmlEmbedder.open({ modelName: name, modelPath: fixturePath(`${name}.gguf`), contextTokensMax });

const limits = {
  stepTokensMax: 64,
  chunkTokens: 64,
  chunkWaitStepsMax: 4,
  agedSteps: 16,
  kvBlocksMax: 4,
  reuseGrainTokens: 16,
  waitingMax: 16,
  stepTilesMax: 1,
  decodeAheadTokens: 8,
};

describe('a BERT embedder with random weights', () => {
  const { inputs, vectors, bound } = golden<GoldenVectors>('bert');

  test('gives the unit vectors of the reference implementation, with any number of threads', async () => {
    await using embedder = open();
    expect(embedder.descriptor).toMatchObject({ contextTokensMax: 64, embeddingDim: 32, vocabSize: 96 });
    for (const [i, input] of inputs.entries()) {
      const tokenIds = Uint32Array.from(input);
      const vector = await embedder.embed({ tokenIds, threads: 1 }, never);
      expect(distance(vector, vectors[i] as number[])).toBeLessThan(bound);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
      expect(await embedder.embed({ tokenIds, threads: 2 }, never)).toEqual(vector);
    }
  });

  test('serves through the embedded engine', async () => {
    const engine = EmbeddedEngine.open({
      backend: open(),
      clock: new ManualClock(),
      samplerOf: () => greedySampler,
      endOfTextTokenIds: new Set(),
      limits,
      threads: 1,
    });
    const texts = inputs.map((input) => Uint32Array.from(input));
    const found = await engine.embed({ requestId: 'r', inputs: texts }, never);
    found.forEach((vector, i) => {
      expect(distance(vector, vectors[i] as number[])).toBeLessThan(bound);
    });
    const long = engine.embed({ requestId: 'r', inputs: [new Uint32Array(65)] }, never);
    await expect(long).rejects.toMatchObject({ code: 'prompt_too_long' });
    await engine.close(never);
  });

  test('does not generate text and sees no images', async () => {
    await using embedder = open();
    await expect(embedder.run()).rejects.toMatchObject({ code: 'feature_unsupported' });
    await expect(embedder.encodeTiles()).rejects.toMatchObject({ code: 'feature_unsupported' });
  });

  test('a decoder is no embedder', () => {
    expect(() => open('llama')).toThrow(expect.objectContaining({ code: 'model_file_invalid' }));
  });
});

const minilm = needsModel('all-minilm-l6-v2', 'all-minilm-l6-v2-F32.gguf');
if (minilm !== undefined) {
  describe('all-MiniLM-L6-v2, against transformers', () => {
    const sentences = golden<{ text: string; tokenIds: number[]; vector: number[] }[]>('minilm');

    test('texts become the same tokens', () => {
      const bytes = readFileSync(minilm);
      const gguf = readGguf({ size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) });
      const tokenizer = tokenizerOf(gguf);
      for (const { text, tokenIds } of sentences) {
        expect([text, tokenizer.encode([{ text, trusted: false }])]).toEqual([text, tokenIds.slice(1, -1)]);
      }
    });

    test('sentences become the same vectors', async () => {
      const options = { modelName: 'minilm', modelPath: minilm, contextTokensMax: 512 };
      await using embedder = GgmlEmbedder.open(options);
      for (const { tokenIds, vector } of sentences) {
        const found = await embedder.embed({ tokenIds: Uint32Array.from(tokenIds), threads: 1 }, never);
        expect(dot(found, vector)).toBeGreaterThan(0.9999);
      }
    });
  });
}

/** Cosine of two unit vectors. */
function dot(a: ArrayLike<number>, b: readonly number[]): number {
  return b.reduce((sum, value, i) => sum + value * (a[i] as number), 0);
}
