import { TercetError } from '@tercet/contracts';
import type { Gguf } from '@tercet/gguf';

/** How GGUF classes tokens, `tokenizer.ggml.token_type`. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface Vocabulary {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  readonly ids: ReadonlyMap<string, number>;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly unknownTokenId: number | undefined;
  readonly addBos: boolean;
}

/** @throws model_file_invalid when tokens are missing, not text, or an id lies outside */
export function readVocabulary(gguf: Gguf): Vocabulary {
  const tokens = gguf.requireArray('tokenizer.ggml.tokens');
  if (!tokens.every((token) => typeof token === 'string')) {
    throw new TercetError('model_file_invalid', { reason: 'a token is not text' });
  }
  const types = gguf.metadata.get('tokenizer.ggml.token_type');
  const numbers = Array.isArray(types) ? types.map(Number) : tokens.map(() => tokenTypes.normal);
  if (numbers.length !== tokens.length) {
    throw new TercetError('model_file_invalid', { tokens: tokens.length, tokenTypes: numbers.length });
  }
  const ids = new Map<string, number>();
  for (const [id, token] of tokens.entries()) if (!ids.has(token)) ids.set(token, id);
  const special = (name: string) => tokenId(gguf, `tokenizer.ggml.${name}_token_id`, tokens.length);
  const model = gguf.stringOr('tokenizer.ggml.model', '');
  return {
    tokens,
    types: numbers,
    ids,
    bosTokenId: special('bos'),
    eosTokenId: special('eos'),
    unknownTokenId: special('unknown'),
    addBos: gguf.booleanOr('tokenizer.ggml.add_bos_token', model === 'llama'),
  };
}

function tokenId(gguf: Gguf, key: string, count: number): number | undefined {
  const id = gguf.metadata.get(key);
  if (id === undefined) return undefined;
  if (typeof id !== 'number' || id < 0 || id >= count) {
    throw new TercetError('model_file_invalid', { key, reason: 'no such token' });
  }
  return id;
}
