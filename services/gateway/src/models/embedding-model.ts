import { TercetError } from '@tercet/contracts';
import type { Gguf } from '@tercet/gguf';
import { type Tokenizer, tokenizerOf } from '@tercet/text';

/** What the gateway must know of a model that turns texts into vectors. */
export interface EmbeddingModel {
  readonly kind: 'embedding';
  readonly name: string;
  readonly tokenizer: Tokenizer;
  /** Tokens of one text, with those that stand around it. */
  readonly contextTokensMax: number;
  /** Length of a vector. */
  readonly dimensions: number;
  readonly clsTokenId: number;
  readonly sepTokenId: number;
}

/** Architectures whose files are embedders. */
export function isEmbedder(gguf: Gguf): boolean {
  return gguf.requireString('general.architecture') === 'bert';
}

/** @throws model_file_invalid */
export function embeddingModel(name: string, gguf: Gguf): EmbeddingModel {
  const tokenizer = tokenizerOf(gguf);
  const marker = (key: string, text: string): number => {
    const named = gguf.numberOr(`tokenizer.ggml.${key}_token_id`, tokenizer.tokenIdOf(text) ?? -1);
    if (named < 0 || named >= tokenizer.vocabSize) throw new TercetError('model_file_invalid', { missing: text });
    return named;
  };
  return {
    kind: 'embedding',
    name,
    tokenizer,
    contextTokensMax: gguf.requireNumber('bert.context_length'),
    dimensions: gguf.requireNumber('bert.embedding_length'),
    clsTokenId: marker('bos', '[CLS]'),
    // Written so in every file.
    sepTokenId: marker('seperator', '[SEP]'),
  };
}

/**
 * Token ids of a text between its markers, or token ids as they are.
 * @throws prompt_too_long; invalid_request for ids outside the vocabulary and for nothing at all
 */
export function embeddingInput(model: EmbeddingModel, input: string | readonly number[]): number[] {
  const { tokenizer, clsTokenId, sepTokenId, contextTokensMax } = model;
  const ids =
    typeof input === 'string'
      ? [clsTokenId, ...tokenizer.encode([{ text: input, trusted: false }]), sepTokenId]
      : [...input];
  if (input.length === 0) throw new TercetError('invalid_request', { param: 'input', reason: 'an input is empty' });
  const unknown = ids.find((id) => id < 0 || id >= tokenizer.vocabSize);
  if (unknown !== undefined) throw new TercetError('invalid_request', { param: 'input', tokenId: unknown });
  if (ids.length > contextTokensMax) {
    throw new TercetError('prompt_too_long', { promptTokens: ids.length, contextTokensMax });
  }
  return ids;
}
