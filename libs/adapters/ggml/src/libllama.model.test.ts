import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { needsModel } from '@tercet/testing';
import { ggml } from './ffi.js';
import { GgmlBackend } from './ggml-backend.js';
import { bestOf, distance, never, prefill } from './testing.js';

const steps = 200;
const name = 'gemma-3-270m';
/**
 * How far a logit may be off. Both call the same kernels with the same operands in the same order, so nothing on
 * x86-64; other processors have kernels for two rows at a time, which our decode takes and libllama's does not: tokens
 * only.
 */
const bound = process.arch === 'x64' ? 0 : Number.POSITIVE_INFINITY;
const reference = fileURLToPath(new URL('./testdata/libllama.mjs', import.meta.url));
/** `<start_of_turn>user`, a wish for a long story about a lighthouse keeper, `<start_of_turn>model`. */
const story = [
  ...[2, 105, 2364, 107, 54593, 786, 496, 1440, 3925, 1003, 496, 63937, 64222, 236764, 496, 5745, 4187, 532, 614],
  ...[9884, 236761, 106, 107, 105, 4368, 107],
];
/** Longer than the window of 512 tokens. */
const longer = [...story, ...Array.from({ length: 674 }, (_, i) => 1000 + ((i * 7919) % 5000)), ...story.slice(1)];

const modelPath = needsModel(name, `${name}-Q4_K_M.gguf`);
if (modelPath !== undefined) {
  describe('Gemma 3 270M in four bits, against libllama', () => {
    test.each([
      { what: 'a short prompt', prompt: story },
      { what: 'a prompt beyond the window', prompt: longer },
    ])(
      '$what: 200 greedy tokens are equal and logits are near',
      async ({ prompt }) => {
        const expected = fromLibllama(modelPath, prompt, { steps, repack: false });
        await using backend = GgmlBackend.open({
          modelName: name,
          modelPath,
          slotCount: 2,
          contextTokensMax: 1024,
          chunkTokensMax: 512,
          repack: false,
        });
        let logits = await prefill(backend, prompt, { slot: 1, chunkTokens: 512, threads: 1 });
        const distances = [distance(logits, expected.logits(0))];
        const text = [bestOf(logits)];
        while (text.length < steps) {
          const row = { slot: 1, position: prompt.length + text.length - 1, tokenId: text.at(-1) as number };
          logits = (await backend.run({ prefills: [], decodes: [row], threads: 1 }, never)).decodes[0] as Float32Array;
          distances.push(distance(logits, expected.logits(text.length)));
          text.push(bestOf(logits));
        }
        expect(text).toEqual(expected.tokens);
        expect(Math.max(...distances)).toBeLessThanOrEqual(bound);
      },
      300_000,
    );

    test("matrices in the processor's own order: equal logits, the same best token", async () => {
      const prompt = longer.slice(0, 512);
      const expected = fromLibllama(modelPath, prompt, { steps: 1, repack: true });
      const logits: Float32Array[] = [];
      for (const repack of [true, false]) {
        const files = { modelName: name, modelPath, repack };
        await using backend = GgmlBackend.open({ ...files, slotCount: 1, contextTokensMax: 1024, chunkTokensMax: 512 });
        logits.push(await prefill(backend, prompt, { chunkTokens: 512, threads: 2 }));
      }
      const [repacked, plain] = logits as [Float32Array, Float32Array];
      expect(distance(repacked, expected.logits(0))).toBeLessThanOrEqual(bound);
      expect(bestOf(repacked)).toBe(bestOf(plain));
    }, 300_000);
  });
}

function fromLibllama(modelPath: string, prompt: readonly number[], how: { steps: number; repack: boolean }) {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-libllama-'));
  try {
    const out = join(folder, 'logits');
    writeFileSync(join(folder, 'order.json'), JSON.stringify({ modelPath, prompt, ...how, threads: 1, out }));
    const args = [reference, ggml().libraries.folder, join(folder, 'order.json')];
    const done = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`libllama: ${done.stderr}`);
    const all = new Float32Array(new Uint8Array(readFileSync(out)).buffer);
    const vocabSize = all.length / how.steps;
    const logits = (step: number) => all.subarray(step * vocabSize, (step + 1) * vocabSize);
    return { tokens: JSON.parse(done.stdout) as number[], logits };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
