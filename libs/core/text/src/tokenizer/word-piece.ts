import type { TokenCodec } from './token-codec.js';
import type { Vocabulary } from './vocabulary.js';

/** How GGUF marks the tokens that begin a word; those that continue one have no mark. */
const wordStart = '\u2581';
/** A longer word is the unknown token. */
const wordCharactersMax = 100;
/** Chinese characters: the blocks of unified ideographs, and those for compatibility. */
const ideograph = '\\u{3400}-\\u{4DBF}\\u{4E00}-\\u{9FFF}\\u{F900}-\\u{FAFF}\\u{20000}-\\u{2EBEF}\\u{2F800}-\\u{2FA1F}';
const punctuation = '\\p{P}$+<=>^`|~';
const words = new RegExp(`[${ideograph}]|[${punctuation}]|[^\\p{White_Space}${punctuation}${ideograph}]+`, 'gu');

/**
 * BERT's uncased WordPiece: words in lower case without accents, each cut into the longest tokens from the left; a word
 * that cannot be cut is the unknown token.
 * @see Devlin et al. 2019, arXiv:1810.04805; Wu et al. 2016, arXiv:1609.08144
 */
export function wordPieceCodec(vocabulary: Vocabulary): TokenCodec {
  const { ids, tokens, unknownTokenId } = vocabulary;

  const piecesOf = (word: string): number[] => {
    const characters = Array.from(word);
    const unknown = unknownTokenId === undefined ? [] : [unknownTokenId];
    if (characters.length > wordCharactersMax) return unknown;
    const found: number[] = [];
    for (let from = 0; from < characters.length; ) {
      let to = characters.length;
      let id: number | undefined;
      for (; to > from && id === undefined; to--) {
        id = ids.get((from === 0 ? wordStart : '') + characters.slice(from, to).join(''));
      }
      if (id === undefined) return unknown;
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

/** Chinese characters and punctuation are words of their own; control characters and accents vanish. */
function wordsOf(text: string): string[] {
  const clean = text
    .replace(/[\p{C}\uFFFD]/gu, (character) => (/[\t\n\r]/.test(character) ? ' ' : ''))
    .normalize('NFD')
    .replace(/\p{Mn}/gu, '');
  // One by one: a sigma does not know that it ends a word.
  const lower = Array.from(clean, (character) => character.toLowerCase()).join('');
  return lower.match(words) ?? [];
}
