import { type KvExport, LayerGate } from '@tercet/engine';

export type Rows = (layer: number, part: 'k' | 'v') => Uint8Array;

/** The KV of a prompt that the engine's thread computes. */
export class RemoteExport implements KvExport {
  readonly tokens: number;
  readonly gate = new LayerGate();
  /** Whether somebody has it who will release it. */
  isDelivered = false;
  readonly #rows: Rows;
  #onRelease: (() => void) | undefined;

  constructor(tokens: number, rows: Rows, onRelease: () => void) {
    this.tokens = tokens;
    this.#rows = rows;
    this.#onRelease = onRelease;
  }

  layerReady(layer: number, signal: AbortSignal): Promise<void> {
    return this.gate.ready(layer, signal);
  }

  rows(layer: number, part: 'k' | 'v'): Uint8Array {
    if (this.#onRelease === undefined) throw new Error('bug: rows of a released KV export');
    return this.#rows(layer, part);
  }

  release(): void {
    this.#onRelease?.();
    this.#onRelease = undefined;
  }
}
