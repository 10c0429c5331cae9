import type { TokenCodec } from './token-codec.js';
import type { Vocabulary } from './vocabulary.js';

/** How GGUF marks the tokens that begin a word; those that continue one have no mark. */
const wordStart = '\u2581';
const wordCharactersMax = 200;

/**
 * BERT's uncased WordPiece: words in lower case without accents, each cut into the longest tokens from the left; a word
 * that cannot be cut is the unknown token.
 * @see Devlin et al. 2019, arXiv:1810.04805; Wu et al. 2016, arXiv:1609.08144
 */
export function wordPieceCodec(vocabulary: Vocabulary): TokenCodec {
  const { ids, tokens, unknownTokenId } = vocabulary;

  const piecesOf = (word: string): number[] => {
    const characters = Array.from(word);
    const found: number[] = [];
    for (let from = 0; from < characters.length; ) {
      let to = characters.length;
      let id: number | undefined;
      for (; to > from && id === undefined; to--) {
        id = ids.get((from === 0 ? wordStart : '') + characters.slice(from, to).join(''));
      }
      if (id === undefined || characters.length > wordCharactersMax)
        return unknownTokenId === undefined ? [] : [unknownTokenId];
      found.push(id);
      from = to + 1;
    }
    return found;
  };

  return {
    encode: (text) => wordsOf(text).flatMap(piecesOf),
    bytesOf: (tokenId) => new TextEncoder().encode((tokens[tokenId] ?? '').replaceAll(wordStart, ' ')),
  };
}

/** Chinese characters and punctuation are words of their own; control characters vanish. */
function wordsOf(text: string): string[] {
  const clean = text
    .replace(/[\p{Cc}\p{Cf}\uFFFD]/gu, (character) => (/[\t\n\r]/.test(character) ? ' ' : ''))
    .toLowerCase()
    .normalize('NFD')
    .replace(/\p{Mn}/gu, '');
  return clean.match(/\p{Script=Han}|[\p{P}$+<=>^`|~]|[^\p{White_Space}\p{P}$+<=>^`|~\p{Script=Han}]+/gu) ?? [];
}
