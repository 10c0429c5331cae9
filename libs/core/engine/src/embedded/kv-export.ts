import type { Backend } from '../backend.js';
import type { KvExport } from '../stage-engine.js';
import { LayerGate } from './layer-gate.js';

/** The KV of one prompt while and after it is computed; layers become readable as the last chunk passes them. */
export class SlotExport implements KvExport {
  readonly tokens: number;
  readonly #backend: Backend;
  readonly #slot: number;
  readonly #onRelease: () => void;
  readonly #gate = new LayerGate();
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

  layerReady(layer: number, signal: AbortSignal): Promise<void> {
    return this.#gate.ready(layer, signal);
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
    this.#gate.advance(layersDone);
  }

  /** The rows will never be complete. */
  fail(error: unknown): void {
    this.#gate.fail(error);
  }
}
