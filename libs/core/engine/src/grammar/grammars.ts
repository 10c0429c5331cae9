import { compileGrammar } from './compile-grammar.js';
import { type GrammarVocabulary, TokenGrammar } from './grammar-mask.js';
import { TextStates } from './text-state.js';
import { tokenTrieOf } from './token-trie.js';

export interface GrammarTokens {
  readonly vocabSize: number;
  tokenBytes(tokenId: number): Uint8Array;
  readonly endOfTextTokenIds: ReadonlySet<number>;
}

/** States that one grammar keeps, at 2 KB each. */
const statesMax = 4096;
const grammarsMax = 16;

/** The grammars of one model. The last ones used are kept; texts hold on to theirs. */
export class Grammars {
  readonly #vocabulary: GrammarVocabulary;
  readonly #grammars = new Map<string, TokenGrammar>();

  /** Cost: 0.2 s for 262,144 tokens, which is why it is not left to the first request. */
  constructor(tokens: GrammarTokens) {
    this.#vocabulary = vocabularyOf(tokens);
  }

  /** @param text `json` or a JSON schema. @throws grammar_unsupported */
  grammarOf(text: string): TokenGrammar {
    const grammar = this.#grammars.get(text) ?? this.#compile(text);
    this.#grammars.delete(text);
    this.#grammars.set(text, grammar);
    const [oldest] = this.#grammars.keys();
    if (this.#grammars.size > grammarsMax && oldest !== undefined) this.#grammars.delete(oldest);
    return grammar;
  }

  #compile(text: string): TokenGrammar {
    return new TokenGrammar(this.#vocabulary, new TextStates(compileGrammar(text), statesMax));
  }
}

function vocabularyOf(tokens: GrammarTokens): GrammarVocabulary {
  const { vocabSize, endOfTextTokenIds } = tokens;
  const bytesOf = (tokenId: number) => (endOfTextTokenIds.has(tokenId) ? none : tokens.tokenBytes(tokenId));
  return {
    trie: tokenTrieOf(vocabSize, bytesOf),
    scratch: new Float32Array(vocabSize),
    tokenBytes: bytesOf,
    endOfTextTokenIds,
  };
}

const none = new Uint8Array(0);
