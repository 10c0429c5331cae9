import type { TextSegment } from './token-codec.js';
import { tokenTypes, type Vocabulary } from './vocabulary.js';

/** Ends of an answer or a turn, as model families spell them. */
const endNames = [
  '<end_of_turn>',
  '<end_of_utterance>',
  '<|im_end|>',
  '<|endoftext|>',
  '<|eot_id|>',
  '<|end_of_text|>',
  '</s>',
  '<eos>',
];

/**
 * Tokens that are matched by their text before anything else is tokenised. Control tokens are matched in trusted text
 * only. Of the user-defined ones, those that mark a turn are treated as control tokens: some files class them so.
 */
export class SpecialTokens {
  readonly endOfText: ReadonlySet<number>;
  readonly #ids = new Map<string, number>();
  readonly #control = new Set<number>();
  readonly #anywhere: RegExp | undefined;
  readonly #trusted: RegExp | undefined;

  constructor(vocabulary: Vocabulary) {
    const trusted: string[] = [];
    const anywhere: string[] = [];
    for (const [id, type] of vocabulary.types.entries()) {
      const text = vocabulary.tokens[id] ?? '';
      const isControl = type === tokenTypes.control || (type === tokenTypes.userDefined && isTurnMark(text));
      if (isControl || type === tokenTypes.unknown) this.#control.add(id);
      if (text === '' || (!isControl && type !== tokenTypes.userDefined)) continue;
      this.#ids.set(text, id);
      trusted.push(text);
      if (!isControl) anywhere.push(text);
    }
    this.#trusted = anyOf(trusted);
    this.#anywhere = anyOf(anywhere);
    const ends = endNames.flatMap((name) => vocabulary.ids.get(name) ?? []).filter((id) => this.#control.has(id));
    this.endOfText = new Set([...ends, ...(vocabulary.eosTokenId === undefined ? [] : [vocabulary.eosTokenId])]);
  }

  isControl(tokenId: number): boolean {
    return this.#control.has(tokenId);
  }

  /** Plain text and special tokens of a segment, in order. */
  *split({ text, trusted }: TextSegment): Generator<string | { readonly tokenId: number }> {
    const pattern = trusted ? this.#trusted : this.#anywhere;
    let from = 0;
    for (const match of pattern === undefined ? [] : text.matchAll(pattern)) {
      if (match.index > from) yield text.slice(from, match.index);
      yield { tokenId: this.#ids.get(match[0]) as number };
      from = match.index + match[0].length;
    }
    if (from < text.length) yield text.slice(from);
  }
}

/** Marks of turns; not the HTML tags that some vocabularies define. */
function isTurnMark(text: string): boolean {
  return /^<\|.*\|>$|^<(start|end)_of_(turn|utterance)>$/.test(text);
}

/** Longest first, so that no token hides one that begins with it. */
function anyOf(texts: readonly string[]): RegExp | undefined {
  if (texts.length === 0) return undefined;
  const longestFirst = [...texts].sort((a, b) => b.length - a.length);
  return new RegExp(longestFirst.map((text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('|'), 'gu');
}
