import type { Backend } from '../backend.js';
import type { KvExport } from '../stage-engine.js';

interface LayerWaiter {
  readonly layer: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The KV of one prompt while and after it is computed; layers become readable as the last chunk passes them. */
export class SlotExport implements KvExport {
  readonly tokens: number;
  readonly #backend: Backend;
  readonly #slot: number;
  readonly #onRelease: () => void;
  readonly #waiters = new Set<LayerWaiter>();
  #layersDone = 0;
  #failure: { readonly error: unknown } | undefined;
  #released = false;

  constructor(options: { backend: Backend; slot: number; tokens: number; onRelease: () => void }) {
    this.tokens = options.tokens;
    this.#backend = options.backend;
    this.#slot = options.slot;
    this.#onRelease = options.onRelease;
  }

  get released(): boolean {
    return this.#released;
  }

  async layerReady(layer: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.error;
    if (layer < this.#layersDone) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: LayerWaiter = { layer, resolve, reject };
    const onAbort = () => {
      this.#waiters.delete(waiter);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waiters.add(waiter);
    await promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  rows(layer: number, part: 'k' | 'v'): Uint8Array {
    if (this.#released) throw new Error('bug: rows of a released KV export');
    return this.#backend.kvView({ slot: this.#slot, layer, part, fromToken: 0, toToken: this.tokens });
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#onRelease();
  }

  /** K and V of the first `layersDone` layers are complete. */
  advance(layersDone: number): void {
    if (layersDone <= this.#layersDone) return;
    this.#layersDone = layersDone;
    for (const waiter of this.#waiters) {
      if (waiter.layer >= layersDone) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** The rows will never be complete. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }
}
