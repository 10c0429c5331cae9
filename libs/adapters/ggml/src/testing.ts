import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { GgmlBackend, type GgmlBackendOptions } from './ggml-backend.js';

export const never = new AbortController().signal;

/** Path of a file of `models/fixtures`; `make_fixtures.py` there says how it was made. */
export function fixturePath(name: string): string {
  return fileURLToPath(new URL(`../../../../models/fixtures/${name}`, import.meta.url));
}

export function golden<T>(name: string): T {
  return JSON.parse(readFileSync(fixturePath(`${name}.json`), 'utf8')) as T;
}

export function openFixture(name: string, more: Partial<GgmlBackendOptions> = {}): GgmlBackend {
  return GgmlBackend.open({
    modelName: name,
    modelPath: fixturePath(`${name}.gguf`),
    slotCount: 9,
    contextTokensMax: 1024,
    chunkTokensMax: 64,
    ...more,
  });
}

/** The chunk [start, end) of a prompt, without media. */
export function chunkOf(tokenIds: readonly number[], range: { slot?: number; start?: number; end?: number } = {}) {
  const { slot = 0, start = 0, end = tokenIds.length } = range;
  const ids = Uint32Array.from(tokenIds.slice(start, end));
  return { slot, start, tokenIds: ids, media: [], rows: 'prompt', wantsLogits: end === tokenIds.length } as const;
}

/** Prefills in chunks of the grid. @returns logits after the last token */
export async function prefill(
  backend: GgmlBackend,
  tokenIds: readonly number[],
  { slot = 0, chunkTokens = 64, threads = 1 } = {},
): Promise<Float32Array> {
  let logits: Float32Array | undefined;
  for (let start = 0; start < tokenIds.length; start += chunkTokens) {
    const chunk = chunkOf(tokenIds, { slot, start, end: Math.min(start + chunkTokens, tokenIds.length) });
    [logits] = (await backend.run({ prefills: [chunk], decodes: [], threads }, never)).prefills;
  }
  if (logits === undefined) throw new Error('no logits');
  return logits;
}

export function bestOf(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if ((logits[i] as number) > (logits[best] as number)) best = i;
  return best;
}

/** The largest difference of two rows of numbers. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`lengths ${a.length} and ${b.length}`);
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const gap = Math.abs((a[i] as number) - (b[i] as number));
    if (!(gap <= most)) most = gap;
  }
  return most;
}

/** A name for these bits and no others. */
export function hash(logits: Float32Array | undefined): string {
  if (logits === undefined) throw new Error('no logits');
  const bytes = new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength);
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}
