import { type KvDemand, type MediaKey, prefixKeyOf } from '@tercet/kv';
import { type ChunkGrid, coldKernelAt, reusableTokens } from './chunking.js';

/** What decides which stored rows a prompt may reuse, as plain data: an engine tells it to those who route to it. */
export interface ReuseGrid {
  readonly chunkTokens: number;
  /** Prefixes are reused in multiples of this many tokens; 0 reuses nothing. */
  readonly grainTokens: number;
  /** By rows, ascending, the first from one row on. */
  readonly kernels: readonly KernelRun[];
}

/** Chunks of so many rows, up to the next run, go through these kernels. */
export interface KernelRun {
  readonly fromRows: number;
  readonly kernel: number;
}

/** A prompt as far as its stored rows matter. */
export interface StoredPrompt {
  readonly tokenIds: Uint32Array;
  /** Tokens at the end that were decoded once (a replay). */
  readonly generatedTokens: number;
  readonly media: readonly MediaKey[];
  readonly tenant: string;
}

/** The grid of an engine. Asks for the kernels of every size that a chunk can have. */
export function reuseGridOf({ chunkTokens, kernelOf, grainTokens }: ChunkGrid & { grainTokens: number }): ReuseGrid {
  const kernels: KernelRun[] = [];
  for (let rows = 1; rows <= chunkTokens; rows++) {
    const kernel = kernelOf(rows);
    if (kernels.at(-1)?.kernel !== kernel) kernels.push({ fromRows: rows, kernel });
  }
  return { chunkTokens, grainTokens, kernels };
}

/**
 * Which stored rows a prompt may reuse. An engine asks for its cache with it, and a router computes with it what the
 * engine will find: rows stand for computed ones only where they have the same bits, so they went through the same
 * kernels.
 */
export function reuseOf(prompt: StoredPrompt, grid: ReuseGrid): Pick<KvDemand, 'key' | 'promptTokens'> & Reusable {
  const { tokenIds, generatedTokens, media, tenant } = prompt;
  const promptTokens = tokenIds.length;
  const shape = { promptTokens, generatedTokens };
  const chunks = { ...grid, kernelOf: (rows: number) => kernelOf(grid, rows) };
  return {
    // Generated text has kernels of its own; its rows are not kept for other prompts.
    key: prefixKeyOf({
      tokenIds: tokenIds.subarray(0, promptTokens - generatedTokens),
      media,
      kernelAt: (start) => coldKernelAt(start, shape, chunks),
      salt: tenant,
    }),
    promptTokens,
    reusable: (storedTokens) => reusableTokens(storedTokens, shape, chunks),
  };
}

type Reusable = { readonly reusable: (storedTokens: number) => number };

function kernelOf({ kernels }: ReuseGrid, rows: number): number {
  return kernels.findLast(({ fromRows }) => fromRows <= rows)?.kernel ?? 0;
}
