import { TercetError } from '@tercet/contracts';
import type { DecodeTask, EmbedTask, EncodeTask, EngineDescriptor, PrefillTask } from '../stage-engine.js';
import type { WorkTable } from './work-table.js';

/** @throws prompt_too_long when it can never fit, invalid_request when spans do not lie in the prompt */
export function checkedPrefill(task: PrefillTask, table: WorkTable): void {
  const { tokenIds, generatedTokens, media } = task;
  const promptTokens = tokenIds.length;
  checkLength(promptTokens, table.kv.sequenceTokensMax);
  if (promptTokens === 0 || generatedTokens >= promptTokens) {
    throw new TercetError('invalid_request', { promptTokens, generatedTokens });
  }
  checkTokenIds(tokenIds, table.backend.descriptor.vocabSize);
  const dim = table.backend.descriptor.media?.dim;
  let end = 0;
  for (const { start, tokens, rows } of media) {
    if (dim === undefined) throw new TercetError('feature_unsupported', { feature: 'media' });
    const inPrompt = start >= end && tokens >= 1 && start + tokens <= promptTokens - generatedTokens;
    if (!inPrompt || rows.length !== tokens * dim) {
      throw new TercetError('invalid_request', { start, tokens, rowValues: rows.length, dim, promptTokens });
    }
    end = start + tokens;
  }
}

/**
 * Rows that the sequence can need: its tokens, the first token, and all further ones but the last.
 * @throws prompt_too_long, invalid_request
 */
export function checkedDecode(task: DecodeTask, table: WorkTable): number {
  const { tokenIds, generatedTokens, tokensMax } = task;
  const promptTokens = tokenIds.length;
  const { sequenceTokensMax } = table.kv;
  checkLength(promptTokens + 1, sequenceTokensMax);
  if (promptTokens === 0 || generatedTokens >= promptTokens || tokensMax < 0) {
    throw new TercetError('invalid_request', { promptTokens, generatedTokens, tokensMax });
  }
  checkTokenIds(tokenIds, table.backend.descriptor.vocabSize);
  return Math.min(sequenceTokensMax, promptTokens + Math.max(1, tokensMax));
}

/** @throws feature_unsupported without a vision tower, invalid_request when pixels and tiles do not agree */
export function checkedEncode(task: EncodeTask, descriptor: EngineDescriptor) {
  const { media } = descriptor;
  if (media === undefined) throw new TercetError('feature_unsupported', { feature: 'encode' });
  const { pixels, tileCount } = task;
  if (tileCount < 1 || pixels.length !== tileCount * 3 * media.tileSize * media.tileSize) {
    throw new TercetError('invalid_request', { pixels: pixels.length, tileCount, tileSize: media.tileSize });
  }
  return media;
}

/** @throws feature_unsupported when the model does not embed text, prompt_too_long, invalid_request */
export function checkedEmbed(task: EmbedTask, descriptor: EngineDescriptor): void {
  if (descriptor.embeddingDim === undefined) throw new TercetError('feature_unsupported', { feature: 'embed' });
  if (task.inputs.length === 0) throw new TercetError('invalid_request', { inputs: 0 });
  for (const input of task.inputs) {
    if (input.length === 0) throw new TercetError('invalid_request', { inputTokens: 0 });
    checkLength(input.length, descriptor.contextTokensMax);
    checkTokenIds(input, descriptor.vocabSize);
  }
}

function checkLength(promptTokens: number, contextTokensMax: number): void {
  if (promptTokens > contextTokensMax) throw new TercetError('prompt_too_long', { promptTokens, contextTokensMax });
}

function checkTokenIds(tokenIds: Uint32Array, vocabSize: number): void {
  for (const tokenId of tokenIds) {
    if (tokenId >= vocabSize) throw new TercetError('invalid_request', { tokenId, vocabSize });
  }
}
