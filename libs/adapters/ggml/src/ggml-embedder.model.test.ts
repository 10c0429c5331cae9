import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import { EmbeddedEngine, greedySampler } from '@tercet/engine';
import { readGguf } from '@tercet/gguf';
import { needsModel } from '@tercet/testing';
import { tokenizerOf } from '@tercet/text';
import fc from 'fast-check';
import { GgmlEmbedder } from './ggml-embedder.js';
import { distance, fixturePath, golden, never } from './testing.js';

interface GoldenVectors {
  readonly inputs: readonly (readonly number[])[];
  readonly vectors: readonly (readonly number[])[];
  readonly bound: number;
}

const open = (name = 'bert', contextTokensMax = 512) =>
  GgmlEmbedder.open({ modelName: name, modelPath: fixturePath(`${name}.gguf`), contextTokensMax });

/** How GGUF writes that a value is a uint32. */
const uint32Type = 4;

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

describe('a damaged embedder file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-embedder-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const whole = readFileSync(fixturePath('bert.gguf'));

  test('truncated at every 4 KB, it is refused', async () => {
    for (let length = 0; length < whole.length; length += 4096) {
      expect([length, await outcome(whole.subarray(0, length))]).toEqual([length, 'model_file_invalid']);
    }
    expect(await outcome(whole)).toBe('serves');
  });

  test.each([
    { key: 'bert.embedding_length', value: 16 },
    { key: 'bert.embedding_length', value: 4_000_000_000 },
    { key: 'bert.block_count', value: 4_000_000_000 },
    { key: 'bert.block_count', value: 0 },
    { key: 'bert.attention.head_count', value: 0 },
    { key: 'bert.attention.head_count', value: 3 },
    { key: 'bert.feed_forward_length', value: 65 },
    { key: 'bert.context_length', value: 0 },
    { key: 'bert.context_length', value: 4_000_000_000 },
  ])('$key of $value is refused', async ({ key, value }) => {
    const lying = Buffer.from(whole);
    const at = lying.indexOf(key) + key.length;
    expect(lying.readUInt32LE(at)).toBe(uint32Type);
    lying.writeUInt32LE(value, at + 4);
    expect(await outcome(lying)).toBe('model_file_invalid');
  });

  test('with bytes of any kind it is refused or serves', async () => {
    const header = whole.indexOf('token_embd.weight') + 4096;
    const anyChange = fc.tuple(fc.nat({ max: header }), fc.nat({ max: 255 }));
    const property = fc.asyncProperty(fc.array(anyChange, { minLength: 1, maxLength: 4 }), async (changes) => {
      const fuzzed = Buffer.from(whole);
      for (const [position, byte] of changes) fuzzed[position] = byte;
      expect(['serves', 'model_file_invalid']).toContain(await outcome(fuzzed));
    });
    await fc.assert(property, { numRuns: 200 });
  });

  async function outcome(bytes: Uint8Array): Promise<string> {
    const modelPath = join(folder, 'model.gguf');
    writeFileSync(modelPath, bytes);
    try {
      await using embedder = GgmlEmbedder.open({ modelName: 'bert', modelPath, contextTokensMax: 64 });
      await embedder.embed({ tokenIds: new Uint32Array(3), threads: 1 }, never);
      return 'serves';
    } catch (error) {
      if (error instanceof TercetError) return error.code;
      throw error;
    }
  }
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
