import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { TercetError } from '@tercet/contracts';
import { type GgufContent, type GgufValue, writeGguf } from '@tercet/gguf';
import fc from 'fast-check';
import { checkLayout } from './layout-check.js';
import { randomLlama } from './random-llama.js';
import { chunkOf, fixturePath, never, openFixture } from './testing.js';

// A file that slips through the checks ends the process in the library, and with it this suite: that is the test.

const folder = mkdtempSync(join(tmpdir(), 'tercet-files-'));
const path = join(folder, 'model.gguf');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fixtures = { llama: read('llama'), gemma3: read('gemma3'), vision: read('smolvlm-vision') };
const sound = randomLlama({ headCount: 4, kvHeadCount: 2, layerCount: 1 });

describe('a damaged model file', () => {
  test.each(['llama', 'gemma3'] as const)('%s, truncated at every 4 KB, is refused', async (name) => {
    for (let length = 0; length < fixtures[name].length; length += 4096) {
      expect(await outcome(fixtures[name].subarray(0, length))).toBe('model_file_invalid');
    }
  });

  test('a truncated projector is refused, and one for another decoder', async () => {
    for (let length = 0; length < fixtures.vision.length; length += 4096) {
      expect(await outcome(fixtures.llama, fixtures.vision.subarray(0, length))).toBe('model_file_invalid');
    }
    expect(await outcome(fixtures.llama, fixtures.vision)).toBe('serves');
    expect(await outcome(fixtures.gemma3, fixtures.vision)).toBe('model_file_invalid');
    expect(await outcome(fixtures.llama, fixtures.llama)).toBe('model_file_invalid');
  });

  test.each([
    { lie: { 'llama.attention.head_count': 3 } },
    { lie: { 'llama.attention.head_count': 1 } },
    { lie: { 'llama.attention.head_count': 0 } },
    { lie: { 'llama.attention.head_count_kv': 3 } },
    { lie: { 'llama.attention.head_count_kv': 4 } },
    { lie: { 'llama.attention.key_length': 15 } },
    { lie: { 'llama.block_count': 2 } },
    { lie: { 'llama.block_count': 4e9 } },
    { lie: { 'llama.embedding_length': 32 } },
    { lie: { 'llama.feed_forward_length': 65 } },
    { lie: { 'llama.context_length': 0 } },
    { lie: { 'llama.attention.layer_norm_rms_epsilon': -0.5 } },
    { lie: { 'llama.rope.freq_base': 0 } },
    { lie: { 'general.architecture': 'unheard-of' } },
    { lie: { 'general.architecture': 7 } },
  ])('$lie is refused', async ({ lie }) => {
    const metadata = { ...sound.metadata, ...lie } as Record<string, GgufValue>;
    expect(await outcome(writeGguf({ ...sound, metadata }))).toBe('model_file_invalid');
  });

  test('a tensor that is absent, of another shape, or of a type that its use does not take is refused', async () => {
    expect(await outcome(writeGguf(sound))).toBe('serves');
    for (const { name } of sound.tensors) {
      const without = sound.tensors.filter((tensor) => tensor.name !== name);
      expect([name, await outcome(writeGguf({ ...sound, tensors: without }))]).toEqual([name, 'model_file_invalid']);
      const found = await outcome(writeGguf(reshaped(sound, name)));
      // More rows of the table of tokens are a larger vocabulary.
      expect([name, found]).toEqual([name, name === 'token_embd.weight' ? 'serves' : 'model_file_invalid']);
      for (const type of [24, 26, 27, 28]) {
        const retypedOutcome = await outcome(retyped(writeGguf(sound), name, type));
        expect([name, type, retypedOutcome]).toEqual([name, type, 'model_file_invalid']);
      }
    }
    expect(await outcome(retyped(writeGguf(sound), 'output_norm.weight', 1))).toBe('model_file_invalid');
    expect(await outcome(retyped(writeGguf(sound), 'blk.0.ffn_up.weight', 1))).toBe('serves');
  });

  test.each(['llama', 'gemma3'] as const)('%s with bytes of any kind is refused or serves', async (name) => {
    const whole = fixtures[name];
    const header = whole.indexOf('token_embd.weight') + 4096;
    const anyChanges = fc.array(fc.tuple(fc.nat({ max: header }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    const property = fc.asyncProperty(anyChanges, async (changes) => {
      const fuzzed = Buffer.from(whole);
      for (const [position, byte] of changes) fuzzed[position] = byte;
      expect(['serves', 'model_file_invalid']).toContain(await outcome(fuzzed));
    });
    await fc.assert(property, { numRuns: 300 });
  });

  test('a vision tower with bytes of any kind is refused or serves', async () => {
    const header = fixtures.vision.indexOf('v.patch_embd.weight') + 2048;
    const anyChanges = fc.array(fc.tuple(fc.nat({ max: header }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    const property = fc.asyncProperty(anyChanges, async (changes) => {
      const fuzzed = Buffer.from(fixtures.vision);
      for (const [position, byte] of changes) fuzzed[position] = byte;
      expect(['serves', 'model_file_invalid']).toContain(await outcome(fixtures.llama, fuzzed));
    });
    await fc.assert(property, { numRuns: 200 });
  });
});

test('a file that is not there is model_file_missing', () => {
  const open = () => openFixture('', { modelPath: join(folder, 'absent.gguf') });
  expect(open).toThrow(expect.objectContaining({ code: 'model_file_missing' }));
});

test('the library stores tensors where this adapter reads them', () => {
  expect(checkLayout).not.toThrow();
});

function read(name: string): Buffer {
  return readFileSync(fixturePath(`${name}.gguf`));
}

/** Opens the files and computes a prompt, a token and a tile. @returns `serves` or the code of the refusal */
async function outcome(model: Uint8Array, projector?: Uint8Array): Promise<string> {
  writeFileSync(path, model);
  const mmprojPath = join(folder, 'mmproj.gguf');
  if (projector !== undefined) writeFileSync(mmprojPath, projector);
  try {
    const files = { modelPath: path, ...(projector === undefined ? {} : { mmprojPath }) };
    await using backend = openFixture('', { ...files, slotCount: 2, contextTokensMax: 64 });
    const prompt = chunkOf([0, 1, 2].map((id) => id % backend.descriptor.vocabSize));
    if (backend.descriptor.contextTokensMax > 4) {
      await backend.run({ prefills: [prompt], decodes: [], threads: 1 }, never);
      const row = { slot: 0, position: 3, tokenId: 0 };
      await backend.run({ prefills: [], decodes: [row], threads: 1 }, never);
    }
    const side = backend.descriptor.media?.tileSize;
    if (side !== undefined) {
      await backend.encodeTiles({ pixels: new Float32Array(3 * side * side), tileCount: 1, threads: 1 }, never);
    }
    return 'serves';
  } catch (error) {
    if (error instanceof TercetError) return error.code;
    throw error;
  }
}

/** The same values as two more rows than the model wants. */
function reshaped(content: GgufContent, name: string): GgufContent {
  const tensors = content.tensors.map((tensor) => {
    if (tensor.name !== name) return tensor;
    const [width = 1, rows = 1] = tensor.shape;
    return { ...tensor, shape: [width, rows + 2], values: new Float32Array(width * (rows + 2)) };
  });
  return { ...content, tensors };
}

/** The type of a tensor, changed where it stands behind name, rank and shape. */
function retyped(file: Uint8Array, name: string, type: number): Uint8Array {
  const changed = file.slice();
  const view = new DataView(changed.buffer);
  const rankAt = Buffer.from(file).indexOf(name) + name.length;
  view.setUint32(rankAt + 4 + 8 * view.getUint32(rankAt, true), type, true);
  return changed;
}
