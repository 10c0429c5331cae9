import { TercetError } from '@tercet/contracts';
import type { Gguf } from '@tercet/gguf';
import { byteOfSymbol, symbolOfByte } from './byte-symbols.js';
import { mergePieces } from './merge.js';
import type { TokenCodec } from './token-codec.js';
import type { Vocabulary } from './vocabulary.js';

const space = '\\p{White_Space}';
const gpt2 =
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${space}\\p{L}\\p{N}]+|` + `${space}+(?!\\P{White_Space})|${space}+`;
const contraction = "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])";
const llama3 = (digits: string) =>
  `${contraction}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^${space}\\p{L}\\p{N}]+[\\r\\n]*|${space}*[\\r\\n]+|` +
  `${space}+(?!\\P{White_Space})|${space}+`;

/**
 * How a family cuts text into words before it merges: patterns applied one after the other, each to what the last cut.
 */
const wordPatterns: Readonly<Record<string, readonly string[]>> = {
  default: [gpt2],
  'gpt-2': [gpt2],
  smollm: ['\\p{N}', gpt2],
  'llama-bpe': [llama3('\\p{N}{1,3}')],
  qwen2: [llama3('\\p{N}')],
};

/** Words whose ids are remembered; the oldest goes when it is full. */
const wordsMax = 16_384;

/** Byte-level byte-pair encoding, as GPT-2 introduced it. @throws model_file_invalid */
export function bytePairCodec(gguf: Gguf, vocabulary: Vocabulary): TokenCodec {
  const pre = gguf.stringOr('tokenizer.ggml.pre', 'default');
  const patterns = wordPatterns[pre]?.map((pattern) => new RegExp(pattern, 'gu'));
  if (patterns === undefined) throw new TercetError('model_file_invalid', { reason: 'unknown pre-tokenizer', pre });
  const ranks = new Map<string, number>();
  for (const [rank, merge] of gguf.requireArray('tokenizer.ggml.merges').entries()) ranks.set(String(merge), rank);
  const known = new Map<string, readonly number[]>();
  const utf8 = new TextEncoder();

  const idsOfWord = (word: string): readonly number[] => {
    const seen = known.get(word);
    if (seen !== undefined) return seen;
    const symbols = Array.from(utf8.encode(word), (byte) => symbolOfByte[byte] as string);
    const pieces = mergePieces(symbols, (left, right) => ranks.get(`${left} ${right}`));
    const ids = pieces.flatMap((piece) => idsOfPiece(piece, vocabulary));
    if (known.size >= wordsMax) known.delete(known.keys().next().value as string);
    known.set(word, ids);
    return ids;
  };

  return {
    encode: (text) => words(text, patterns).flatMap(idsOfWord),
    bytesOf: (tokenId) => bytesOfPiece(vocabulary.tokens[tokenId] ?? ''),
  };
}

/** What no merge made a token falls apart into its bytes; a vocabulary without them drops to its unknown token. */
function idsOfPiece(piece: string, { ids, unknownTokenId }: Vocabulary): number[] {
  const id = ids.get(piece);
  if (id !== undefined) return [id];
  const found = Array.from(piece, (symbol) => ids.get(symbol) ?? unknownTokenId);
  return found.filter((symbol) => symbol !== undefined);
}

/** Cuts with each pattern in turn; what lies between two matches is a word of its own. */
function words(text: string, patterns: readonly RegExp[]): string[] {
  let found = [text];
  for (const pattern of patterns) found = found.flatMap((part) => cut(part, pattern));
  return found;
}

function cut(text: string, pattern: RegExp): string[] {
  const parts: string[] = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > from) parts.push(text.slice(from, match.index));
    parts.push(match[0]);
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}

/** A token that stands for text as it is (a user-defined one) has symbols of no byte. */
function bytesOfPiece(piece: string): Uint8Array {
  const bytes = Array.from(piece, (symbol) => byteOfSymbol.get(symbol));
  return bytes.every((byte) => byte !== undefined) ? Uint8Array.from(bytes) : new TextEncoder().encode(piece);
}
