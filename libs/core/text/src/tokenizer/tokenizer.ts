import { TercetError } from '@tercet/contracts';
import type { Gguf } from '@tercet/gguf';
import { bytePairCodec } from './byte-pair.js';
import { sentencePieceCodec } from './sentence-piece.js';
import { SpecialTokens } from './special-tokens.js';
import type { TextSegment, TokenCodec } from './token-codec.js';
import { readVocabulary, type Vocabulary } from './vocabulary.js';
import { wordPieceCodec } from './word-piece.js';

/** The tokenizer of a model file. */
export class Tokenizer {
  readonly vocabSize: number;
  /** Stands at the start of every prompt, where the model wants one. */
  readonly bosTokenId: number | undefined;
  /** Tokens that end an answer. */
  readonly endOfTextTokenIds: ReadonlySet<number>;
  readonly #vocabulary: Vocabulary;
  readonly #special: SpecialTokens;
  readonly #codec: TokenCodec;

  constructor(vocabulary: Vocabulary, codec: TokenCodec) {
    this.#vocabulary = vocabulary;
    this.#special = new SpecialTokens(vocabulary);
    this.#codec = codec;
    this.vocabSize = vocabulary.tokens.length;
    this.bosTokenId = vocabulary.addBos ? vocabulary.bosTokenId : undefined;
    this.endOfTextTokenIds = this.#special.endOfText;
  }

  /** Ids of a text; special tokens are recognised in trusted parts only. No bos is added. */
  encode(segments: readonly TextSegment[]): number[] {
    const ids: number[] = [];
    let plain = '';
    for (const segment of segments) {
      for (const piece of this.#special.split(segment)) {
        if (typeof piece === 'string') {
          plain += piece;
          continue;
        }
        this.#append(ids, plain);
        plain = '';
        ids.push(piece.tokenId);
      }
    }
    this.#append(ids, plain);
    return ids;
  }

  /** Bytes that a token adds to a text; none for control tokens and ids outside the vocabulary. */
  bytesOf(tokenId: number): Uint8Array {
    return this.#special.isControl(tokenId) ? noBytes : this.#codec.bytesOf(tokenId);
  }

  /** Id of a token by its text in the vocabulary. */
  tokenIdOf(text: string): number | undefined {
    return this.#vocabulary.ids.get(text);
  }

  /** Text of a token as it stands in the vocabulary: also of control tokens. */
  nameOf(tokenId: number): string {
    return this.#vocabulary.tokens[tokenId] ?? '';
  }

  #append(ids: number[], text: string): void {
    if (text === '') return;
    for (const id of this.#codec.encode(text)) ids.push(id);
  }
}

const noBytes = new Uint8Array(0);

/** @throws model_file_invalid when the file carries no tokenizer, or one of another family */
export function tokenizerOf(gguf: Gguf): Tokenizer {
  const vocabulary = readVocabulary(gguf);
  const model = gguf.requireString('tokenizer.ggml.model');
  switch (model) {
    case 'gpt2':
      return new Tokenizer(vocabulary, bytePairCodec(gguf, vocabulary));
    case 'llama':
      return new Tokenizer(vocabulary, sentencePieceCodec(gguf, vocabulary));
    case 'bert':
      return new Tokenizer(vocabulary, wordPieceCodec(vocabulary));
    default:
      throw new TercetError('model_file_invalid', { reason: 'unknown tokenizer', model });
  }
}
