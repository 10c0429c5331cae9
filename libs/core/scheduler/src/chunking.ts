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
