import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import type { DecodeRow } from '@tercet/engine';
import { needsModel } from '@tercet/testing';
import type { GgmlBackend } from './ggml-backend.js';
import { type RandomLlama, randomLlamaFile } from './random-llama.js';
import { bestOf, chunkOf, fixturePath, hash, never, openFixture, prefill } from './testing.js';
import { openWatched } from './watched-engine.js';

const folder = mkdtempSync(join(tmpdir(), 'tercet-invariance-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const gemma = needsModel('gemma-3-270m', 'gemma-3-270m-Q4_K_M.gguf');
const tiny = fixturePath('../tiny/tercet-tiny.gguf');
const chunkTokens = 64;

/** Prompts that end before and behind 512 keys, the last chunk of one, of a few and of all tokens of the grid. */
const usual = [5, 65, 130, 192, 511, 513, 577, 640];
const few = [3, 5, 8, 65, 9, 513, 7, 6];

describe.each([
  { model: 'multi-head attention, float32', path: made('mha', { headCount: 4, kvHeadCount: 4 }) },
  { model: 'an odd number of heads', path: made('odd', { headCount: 3, kvHeadCount: 3 }) },
  { model: 'grouped queries, float32', path: made('gqa', { headCount: 6, kvHeadCount: 2 }) },
  { model: 'one KV head, float32', path: fixturePath('llama.gguf') },
  { model: 'windows, float32', path: fixturePath('gemma3.gguf') },
  { model: 'float16 weights', path: tiny },
  ...(gemma === undefined ? [] : [{ model: 'four-bit weights', path: gemma, lengths: few }]),
])('$model: the bits of a request depend on the request alone', ({ path, lengths = usual }) => {
  const open = () => openFixture('', { modelPath: path, slotCount: lengths.length + 1, chunkTokensMax: chunkTokens });

  test('logits of prompts do not depend on the number of threads', async () => {
    await using backend = open();
    for (const [slot, length] of lengths.entries()) {
      const one = await prefill(backend, promptOf(length), { slot, threads: 1 });
      const two = await prefill(backend, promptOf(length), { slot, threads: 2 });
      expect([length, hash(two)]).toEqual([length, hash(one)]);
    }
  });

  test('decoded beside 0 to 7 others, with 1 and 2 threads: the same logits', async () => {
    await using backend = open();
    const first = await prefillAll(backend, lengths);
    const expected: string[][] = [];
    for (const row of first) expected.push(await decodeAlone(backend, row, 3));
    for (let count = 1; count <= lengths.length; count++) {
      for (const threads of [1, 2]) {
        let rows = first.slice(lengths.length - count);
        for (let step = 0; step < 3; step++) {
          const { decodes } = await backend.run({ prefills: [], decodes: rows, threads }, never);
          decodes.forEach((logits, i) => {
            expect([count, threads, hash(logits)]).toEqual([
              count,
              threads,
              expected[lengths.length - count + i]?.[step],
            ]);
          });
          rows = next(rows, decodes);
        }
      }
    }
  });

  test('a prompt that enters between steps changes nothing', async () => {
    await using backend = open();
    const [row] = await prefillAll(backend, lengths);
    if (row === undefined) throw new Error('no row');
    const [expected] = await decodeAlone(backend, row, 1);
    const chunk = chunkOf(promptOf(64, 9), { slot: lengths.length });
    const alone = await backend.run({ prefills: [chunk], decodes: [], threads: 1 }, never);
    const both = await backend.run({ prefills: [chunk], decodes: [row], threads: 2 }, never);
    expect(hash(both.decodes[0])).toBe(expected);
    expect(hash(both.prefills[0])).toBe(hash(alone.prefills[0]));
  });

  test('a replay from any cut gives the logits that decoding gave', async () => {
    await using backend = open();
    const length = 505;
    const prompt = promptOf(length);
    const hashes: string[] = [];
    let logits = await prefill(backend, prompt);
    const text: number[] = [];
    for (let step = 0; step < 12; step++) {
      hashes.push(hash(logits));
      text.push(bestOf(logits));
      const row = { slot: 0, position: length + step, tokenId: text.at(-1) as number };
      const { decodes } = await backend.run({ prefills: [], decodes: [row], threads: 1 }, never);
      logits = decodes[0] as Float32Array;
    }
    hashes.push(hash(logits));
    for (const threads of [1, 2]) {
      await prefill(backend, prompt, { slot: 1, threads });
      // A replay writes behind the prompt alone, so each cut finds the prompt's rows as they were; the longest goes
      // first, and what it leaves behind the others' rows must not be seen.
      for (const cut of [12, 9, 8, 7, 2, 1]) {
        const tokenIds = Uint32Array.from(text.slice(0, cut));
        const chunk = { slot: 1, start: length, tokenIds, media: [], rows: 'generated', wantsLogits: true } as const;
        const { prefills } = await backend.run({ prefills: [chunk], decodes: [], threads }, never);
        expect([cut, threads, hash(prefills[0])]).toEqual([cut, threads, hashes[cut]]);
      }
    }
  });
});

/** Around the border of kernels at 64 rows, around the grid of 256, and in between. */
const anyLength = [40, 64, 65, 70, 100, 130, 250, 257, 300];

describe.each([
  { model: 'grouped queries, float32', path: made('gqa-reuse', { headCount: 6, kvHeadCount: 2 }), lengths: anyLength },
  { model: 'one KV head, float32', path: fixturePath('llama.gguf'), lengths: anyLength },
  { model: 'windows, float32', path: fixturePath('gemma3.gguf'), lengths: anyLength },
  { model: 'float16 weights', path: tiny, lengths: [70, 272] },
  ...(gemma === undefined ? [] : [{ model: 'four-bit weights', path: gemma, lengths: [100] }]),
])('$model: a reused prefix gives the cold logits', ({ path, lengths }) => {
  test('cut at any block, whatever prompt left it', async () => {
    await using cold = openWatched({ modelPath: path }, { reuseGrainTokens: 0 });
    await using warm = openWatched({ modelPath: path });
    let reused = 0;
    for (const length of lengths) {
      const expected = await cold.firstToken({ tokenIds: promptOf(length) });
      for (let cut = 16; cut < length; cut += 16) {
        for (const before of [cut + 1, length, 300]) {
          const tenant = `${length} ${cut} ${before}`;
          await warm.firstToken({ tokenIds: [...promptOf(cut), ...promptOf(before, 5).slice(cut)], tenant });
          const found = await warm.firstToken({ tokenIds: promptOf(length), tenant });
          expect([tenant, found.cachedTokens, found.logits]).toEqual([tenant, found.cachedTokens, expected.logits]);
          reused += found.cachedTokens;
        }
      }
    }
    expect(reused).toBeGreaterThan(0);
  });

  test('handed over to another engine, with layers in other groups', async () => {
    await using cold = openWatched({ modelPath: path }, { reuseGrainTokens: 0 });
    await using decode = openWatched({ modelPath: path });
    const tokenIds = promptOf(200);
    const expected = await cold.text({ tokenIds, decode: cold });
    await using warm = openWatched({ modelPath: path, layerGroups: 1 });
    await warm.firstToken({ tokenIds: [...promptOf(112), ...promptOf(250, 5).slice(112)] });
    const found = await warm.text({ tokenIds, decode });
    expect(found).toEqual({ cachedTokens: 112, logits: expected.logits });
  });
});

test('a reused prefix with media gives the cold logits', async () => {
  const model = { modelPath: fixturePath('llama.gguf'), mmprojPath: fixturePath('smolvlm-vision.gguf') };
  await using cold = openWatched(model, { reuseGrainTokens: 0 });
  await using warm = openWatched(model);
  const prng = new Prng(3);
  const rows = Float32Array.from({ length: 64 * (cold.mediaDim ?? 0) }, () => prng.nextFloat() - 0.5);
  for (const start of [5, 16, 40, 100]) {
    const prompt = { tokenIds: promptOf(200), media: [{ start, tokens: 64, contentKey: `media ${start}`, rows }] };
    const expected = await cold.text({ ...prompt, decode: cold });
    expect(expected.logits).not.toEqual((await cold.text({ tokenIds: prompt.tokenIds, decode: cold })).logits);
    await warm.firstToken(prompt);
    const found = await warm.text({ ...prompt, decode: warm });
    expect(found).toEqual({ cachedTokens: 128, logits: expected.logits });
  }
});

function made(name: string, shape: RandomLlama): string {
  const path = join(folder, `${name}.gguf`);
  writeFileSync(path, randomLlamaFile(shape));
  return path;
}

function promptOf(length: number, seed = 1): number[] {
  return Array.from({ length }, (_, i) => (i * 7 + seed * 13 + ((i * seed * i) >> 3)) % 90);
}

/** One prompt per length, each in its slot. @returns their first decode rows */
async function prefillAll(backend: GgmlBackend, lengths: readonly number[]): Promise<DecodeRow[]> {
  const rows: DecodeRow[] = [];
  for (const [slot, length] of lengths.entries()) {
    const tokenId = bestOf(await prefill(backend, promptOf(length, slot), { slot }));
    rows.push({ slot, position: length, tokenId });
  }
  return rows;
}

async function decodeAlone(backend: GgmlBackend, row: DecodeRow, steps: number): Promise<string[]> {
  const hashes: string[] = [];
  let rows = [row];
  for (let step = 0; step < steps; step++) {
    const { decodes } = await backend.run({ prefills: [], decodes: rows, threads: 1 }, never);
    hashes.push(hash(decodes[0]));
    rows = next(rows, decodes);
  }
  return hashes;
}

function next(rows: readonly DecodeRow[], logits: readonly Float32Array[]): DecodeRow[] {
  return rows.map(({ slot, position }, i) => {
    return { slot, position: position + 1, tokenId: bestOf(logits[i] as Float32Array) };
  });
}
