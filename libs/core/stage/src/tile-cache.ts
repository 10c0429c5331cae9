interface Entry {
  readonly rows: Float32Array;
}

/**
 * Media tokens by content key: what was encoded once is not computed again. The least recently used tile goes first.
 */
export class TileCache {
  readonly #bytesMax: number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): Float32Array | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.rows;
  }

  /** Keeps a copy of the rows, unless they alone are larger than the cache. */
  put(key: string, rows: Float32Array): void {
    if (rows.byteLength > this.#bytesMax) return;
    this.#drop(key);
    this.#entries.set(key, { rows: rows.slice() });
    this.#bytes += rows.byteLength;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.rows.byteLength ?? 0;
    this.#entries.delete(key);
  }
}
