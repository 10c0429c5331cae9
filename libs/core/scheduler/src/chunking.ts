import { assert } from '@tercet/base';

/** What of a prompt has to be computed, and where its kinds of rows change. */
export interface PromptShape {
  readonly promptTokens: number;
  /** Tokens at the end of the prompt that were decoded once (a replay). */
  readonly generatedTokens: number;
}

export interface ChunkRange {
  readonly start: number;
  readonly end: number;
  readonly rows: 'prompt' | 'generated';
}

/** Which kernels compute a chunk of so many prompt rows: equal numbers, equal bits row by row. */
export type RowKernels = (rows: number) => number;

export interface ChunkGrid {
  readonly chunkTokens: number;
  readonly kernelOf: RowKernels;
}

/**
 * The chunk that begins at `start`. Borders lie at multiples of `chunkTokens` of the position in the prompt and where
 * generated text begins, so that the shape of every chunk depends on the request alone and not on what else runs.
 */
export function chunkAt(start: number, prompt: PromptShape, chunkTokens: number): ChunkRange {
  const { promptTokens, generatedTokens } = prompt;
  assert(start >= 0 && start < promptTokens, 'no chunk begins there', { start, promptTokens });
  const textEnd = promptTokens - generatedTokens;
  const border = (Math.floor(start / chunkTokens) + 1) * chunkTokens;
  if (start < textEnd) return { start, end: Math.min(border, textEnd), rows: 'prompt' };
  return { start, end: Math.min(border, promptTokens), rows: 'generated' };
}

/** The kernels that compute the prompt row at `position` when nothing of the prompt is stored. */
export function coldKernelAt(position: number, prompt: PromptShape, { chunkTokens, kernelOf }: ChunkGrid): number {
  const { start, end } = chunkAt(position - (position % chunkTokens), prompt, chunkTokens);
  return kernelOf(end - start);
}

/**
 * How many of the leading `storedTokens` may be reused: the most, in steps of `grainTokens`, after which what is left
 * of their chunk goes through the kernels of the whole chunk. So a prompt has the bits of a cold run, whatever is
 * stored.
 */
export function reusableTokens(
  storedTokens: number,
  prompt: PromptShape,
  grid: ChunkGrid & { readonly grainTokens: number },
): number {
  const { chunkTokens, kernelOf, grainTokens } = grid;
  const textEnd = prompt.promptTokens - prompt.generatedTokens;
  for (let tokens = storedTokens; tokens > 0; tokens -= grainTokens) {
    if (tokens >= textEnd) return tokens;
    const { end } = chunkAt(tokens, prompt, chunkTokens);
    if (kernelOf(end - tokens) === coldKernelAt(tokens, prompt, grid)) return tokens;
  }
  return 0;
}
