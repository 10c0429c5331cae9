import { TercetError } from '@tercet/contracts';
import type { TextState, TextStates } from './text-state.js';
import { maskLogits, type TokenRanges, tokenRangesOf } from './token-ranges.js';
import type { TokenTrie } from './token-trie.js';

/** Tokens of a model, ready for grammars. */
export interface GrammarVocabulary {
  readonly trie: TokenTrie;
  /** [vocab], for the time of a call. */
  readonly scratch: Float32Array;
  tokenBytes(tokenId: number): Uint8Array;
  readonly endOfTextTokenIds: ReadonlySet<number>;
}

/** One grammar for one vocabulary; all its texts share what it learns. */
export class TokenGrammar {
  readonly vocabulary: GrammarVocabulary;
  readonly states: TextStates;
  readonly #ranges = new WeakMap<TextState, TokenRanges>();

  constructor(vocabulary: GrammarVocabulary, states: TextStates) {
    this.vocabulary = vocabulary;
    this.states = states;
  }

  rangesAfter(state: TextState): TokenRanges {
    const known = this.#ranges.get(state);
    if (known !== undefined) return known;
    const ranges = tokenRangesOf(this.vocabulary.trie, this.states, state);
    this.#ranges.set(state, ranges);
    return ranges;
  }
}

/** Keeps one text within a grammar. The end-of-text tokens may come when the text is whole, and then only they. */
export class GrammarMask {
  readonly #grammar: TokenGrammar;
  readonly #endOfText: readonly number[];
  #state: TextState;
  #isEnded = false;

  constructor(grammar: TokenGrammar) {
    this.#grammar = grammar;
    this.#endOfText = [...grammar.vocabulary.endOfTextTokenIds];
    this.#state = grammar.states.start;
  }

  /** @throws stage_failed when the vocabulary has no token to go on with, or all that may come have no chance */
  apply(out: Float32Array): void {
    const also = this.#isEnded || this.#state.mayEnd ? this.#endOfText : [];
    const ranges = this.#isEnded ? nothing : this.#grammar.rangesAfter(this.#state);
    if (ranges.count + also.length === 0) throw new TercetError('stage_failed', { reason: 'grammar_dead_end' });
    maskLogits(out, this.#grammar.vocabulary, { ranges, also });
  }

  /** @throws stage_protocol for a token that the grammar does not allow here: it was sampled without it */
  accept(tokenId: number): void {
    const { vocabulary, states } = this.#grammar;
    if (vocabulary.endOfTextTokenIds.has(tokenId)) {
      if (!this.#isEnded && !this.#state.mayEnd) throw breaksGrammar(tokenId);
      this.#isEnded = true;
      return;
    }
    const bytes = vocabulary.tokenBytes(tokenId);
    let state: TextState | null = this.#isEnded || bytes.length === 0 ? null : this.#state;
    for (let i = 0; state !== null && i < bytes.length; i++) state = states.step(state, bytes[i] as number);
    if (state === null) throw breaksGrammar(tokenId);
    this.#state = state;
  }
}

const nothing: TokenRanges = { borders: new Int32Array(0), count: 0, visited: 0 };

function breaksGrammar(tokenId: number): TercetError {
  return new TercetError('stage_protocol', { reason: 'text_breaks_grammar', tokenId });
}
