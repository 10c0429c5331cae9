import { mediaDigestOf } from '@tercet/media';

interface Entry {
  readonly rows: Float32Array;
}

/** What came into the cache and went out of it, as digests. */
export interface TileChange {
  readonly stored: readonly number[];
  readonly evicted: readonly number[];
}

/**
 * Media tokens by content key: what was encoded once is not computed again. The least recently used tile goes first.
 */
export class TileCache {
  readonly #bytesMax: number;
  readonly #onChange: ((change: TileChange) => void) | undefined;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(bytesMax: number, onChange?: (change: TileChange) => void) {
    this.#bytesMax = bytesMax;
    this.#onChange = onChange;
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
    const isNew = !this.#entries.has(key);
    this.#drop(key);
    this.#entries.set(key, { rows: rows.slice() });
    this.#bytes += rows.byteLength;
    const evicted = this.#makeRoom();
    if (isNew) this.#onChange?.({ stored: [mediaDigestOf(key)], evicted: evicted.map(mediaDigestOf) });
  }

  /** @returns what went */
  #makeRoom(): string[] {
    const evicted: string[] = [];
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#drop(oldest);
      evicted.push(oldest);
    }
    return evicted;
  }

  #drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.rows.byteLength ?? 0;
    this.#entries.delete(key);
  }
}
