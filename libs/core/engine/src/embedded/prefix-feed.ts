import type { BlockDigest, PrefixListener } from '@tercet/kv';
import type { PrefixChange } from '../stage-engine.js';

/** Collects what happens to prefixes and tells what came of it once the code that does it is done. */
export class PrefixFeed implements PrefixListener {
  readonly #stored = new Set<BlockDigest>();
  readonly #evicted = new Set<BlockDigest>();
  #listener: ((change: PrefixChange) => void) | undefined;
  #isDue = false;

  listen(listener: (change: PrefixChange) => void): void {
    this.#listener = listener;
    this.#tellSoon();
  }

  stored(block: BlockDigest): void {
    if (!this.#evicted.delete(block)) this.#stored.add(block);
    this.#tellSoon();
  }

  evicted(block: BlockDigest): void {
    if (!this.#stored.delete(block)) this.#evicted.add(block);
    this.#tellSoon();
  }

  #tellSoon(): void {
    if (this.#isDue || this.#listener === undefined) return;
    this.#isDue = true;
    queueMicrotask(() => this.#tell());
  }

  #tell(): void {
    this.#isDue = false;
    if (this.#stored.size + this.#evicted.size === 0) return;
    const change = { stored: [...this.#stored], evicted: [...this.#evicted] };
    this.#stored.clear();
    this.#evicted.clear();
    this.#listener?.(change);
  }
}
