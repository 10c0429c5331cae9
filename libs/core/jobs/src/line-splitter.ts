const lineFeed = 0x0a;

export type SplitLine =
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'too large' }
  | { readonly kind: 'not utf-8' };

/** Cuts a stream of bytes into lines, never holding more than one line and one piece. The last needs no line feed. */
export class LineSplitter {
  readonly #bytesMax: number;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  /** @param bytesMax of a line; of a longer one only its length is kept */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  *push(content: Uint8Array): Generator<SplitLine> {
    let start = 0;
    for (let end = content.indexOf(lineFeed); end >= 0; end = content.indexOf(lineFeed, start)) {
      this.#hold(content.subarray(start, end));
      yield this.#take();
      start = end + 1;
    }
    this.#hold(content.subarray(start));
  }

  /** The line after the last line feed, when there is one. */
  *end(): Generator<SplitLine> {
    if (this.#bytes > 0) yield this.#take();
  }

  #hold(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#bytesMax) this.#pieces = [];
    else if (piece.length > 0) this.#pieces.push(piece.slice());
  }

  #take(): SplitLine {
    const pieces = this.#pieces;
    const bytes = this.#bytes;
    this.#pieces = [];
    this.#bytes = 0;
    if (bytes > this.#bytesMax) return { kind: 'too large' };
    const whole = new Uint8Array(bytes);
    let offset = 0;
    for (const piece of pieces) {
      whole.set(piece, offset);
      offset += piece.length;
    }
    try {
      return { kind: 'line', text: this.#decoder.decode(whole) };
    } catch {
      return { kind: 'not utf-8' };
    }
  }
}
