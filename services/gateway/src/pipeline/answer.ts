import type { wire } from '@tercet/contracts';
import { StopMatcher, StreamDecoder, type Tokenizer } from '@tercet/text';

/** The text of one answer as it grows, over all attempts: what was sent is never taken back or sent twice. */
export class Answer {
  readonly tokenIds: number[] = [];
  readonly #decoder: StreamDecoder;
  readonly #stops: StopMatcher;
  #skipsSpace: boolean;

  /** @param skipsSpace the prompt ends in the middle of a line, and the space that begins the answer belongs to it */
  constructor(tokenizer: Tokenizer, options: { readonly stop: readonly string[]; readonly skipsSpace: boolean }) {
    this.#decoder = new StreamDecoder(tokenizer);
    this.#stops = new StopMatcher(options.stop);
    this.#skipsSpace = options.skipsSpace;
  }

  /** Text that is certain after this token, and whether a stop string ended the answer. */
  push({ tokenId }: wire.SampledToken): { readonly text: string; readonly stopped: boolean } {
    this.tokenIds.push(tokenId);
    return this.#stops.push(this.#withoutSpace(this.#decoder.push(tokenId)));
  }

  /** What was held back, once no token follows. */
  end(): string {
    const { text, stopped } = this.#stops.push(this.#decoder.end());
    return stopped ? text : text + this.#stops.end();
  }

  #withoutSpace(text: string): string {
    if (!this.#skipsSpace || text === '') return text;
    this.#skipsSpace = false;
    return text.startsWith(' ') ? text.slice(1) : text;
  }
}
