import { TercetError } from '@tercet/contracts';
import type { Gguf } from '@tercet/gguf';
import { mergePieces } from './merge.js';
import type { TokenCodec } from './token-codec.js';
import { tokenTypes, type Vocabulary } from './vocabulary.js';

/** How SentencePiece writes a space. */
const blank = '\u2581';

/**
 * SentencePiece's BPE: neighbours join when the joined piece is a token, the one with the highest score first; a
 * character without a token becomes the tokens of its UTF-8 bytes.
 * @throws model_file_invalid
 */
export function sentencePieceCodec(gguf: Gguf, vocabulary: Vocabulary): TokenCodec {
  const { tokens, types, unknownTokenId } = vocabulary;
  const scores = gguf.requireArray('tokenizer.ggml.scores').map(Number);
  if (scores.length !== tokens.length) {
    throw new TercetError('model_file_invalid', { tokens: tokens.length, scores: scores.length });
  }
  const addSpacePrefix = gguf.booleanOr('tokenizer.ggml.add_space_prefix', true);
  const idOf = new Map<string, number>();
  const byteIds = new Map<number, number>();
  const byteOf = new Map<number, number>();
  for (const [id, type] of types.entries()) {
    const token = tokens[id] ?? '';
    const hex = /^<0x([0-9A-F]{2})>$/.exec(token)?.[1];
    if (type === tokenTypes.byte && hex !== undefined) {
      byteIds.set(Number.parseInt(hex, 16), id);
      byteOf.set(id, Number.parseInt(hex, 16));
    } else if (type === tokenTypes.normal || type === tokenTypes.userDefined) {
      if (!idOf.has(token)) idOf.set(token, id);
    }
  }
  const utf8 = new TextEncoder();
  const priorityOf = (left: string, right: string) => {
    const id = idOf.get(left + right);
    return id === undefined ? undefined : -(scores[id] as number);
  };
  const idsOf = (piece: string): number[] => {
    const id = idOf.get(piece);
    if (id !== undefined) return [id];
    const bytes = Array.from(utf8.encode(piece), (byte) => byteIds.get(byte) ?? unknownTokenId);
    return bytes.filter((byteId) => byteId !== undefined);
  };

  return {
    encode: (text) => {
      const spaced = (addSpacePrefix ? ` ${text}` : text).replaceAll(' ', blank);
      return mergePieces(Array.from(spaced), priorityOf).flatMap(idsOf);
    },
    bytesOf: (tokenId) => {
      const byte = byteOf.get(tokenId);
      if (byte !== undefined) return Uint8Array.of(byte);
      return utf8.encode((tokens[tokenId] ?? '').replaceAll(blank, ' '));
    },
  };
}
