import type { wire } from '@tercet/contracts';
import { StopMatcher, StreamDecoder, type Tokenizer } from '@tercet/text';

/** The text of one answer as it grows, over all attempts: what was sent is never taken back or sent twice. */
export class Answer {
  readonly tokenIds: number[] = [];
  readonly #decoder: StreamDecoder;
  readonly #stops: StopMatcher;

  constructor(tokenizer: Tokenizer, stop: readonly string[]) {
    this.#decoder = new StreamDecoder(tokenizer);
    this.#stops = new StopMatcher(stop);
  }

  /** Text that is certain after this token, and whether a stop string ended the answer. */
  push({ tokenId }: wire.SampledToken): { readonly text: string; readonly stopped: boolean } {
    this.tokenIds.push(tokenId);
    return this.#stops.push(this.#decoder.push(tokenId));
  }

  /** What was held back, once no token follows. */
  end(): string {
    const { text, stopped } = this.#stops.push(this.#decoder.end());
    return stopped ? text : text + this.#stops.end();
  }
}
