import type { Tokenizer } from './tokenizer/tokenizer.js';

/** Tokens to text as they come: a character appears once all its bytes are there; invalid bytes become U+FFFD. */
export class StreamDecoder {
  readonly #tokenizer: Pick<Tokenizer, 'bytesOf'>;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(tokenizer: Pick<Tokenizer, 'bytesOf'>) {
    this.#tokenizer = tokenizer;
  }

  /** The text that this token completes; nothing of it is ever taken back. */
  push(tokenId: number): string {
    return this.#utf8.decode(this.#tokenizer.bytesOf(tokenId), { stream: true });
  }

  /** What is left when no token follows. */
  end(): string {
    return this.#utf8.decode();
  }
}
