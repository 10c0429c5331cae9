import type { EngineDescriptor } from './stage-engine.js';

/**
 * Port: what computes one planned step. Only engines of our own have steps; ggml implements it, and a fake does. Calls
 * never overlap, except that `kvView` may be called at any time. The backend knows slots and rows, not requests.
 *
 * Batch invariance: which kernels compute a row depends on its own chunk alone, on its `rows` and on how many they are
 * ({@link Backend.kernelOf}), never on what else is in the step.
 */
export interface Backend extends AsyncDisposable {
  readonly descriptor: BackendDescriptor;
  /**
   * Which kernels compute a chunk of so many prompt rows. Two chunks with one answer give a row the same bits, wherever
   * they begin; the engine reuses stored rows only where the answer stays that of a prompt of which nothing is stored.
   */
  kernelOf(rows: number): number;
  /** Computes the rows of one step and their KV. Rows of one slot appear at most once. */
  run(step: BackendStep, signal: AbortSignal): Promise<StepLogits>;
  /** Rows [fromToken, toToken) of one layer, in place; bytes, row-major, `kvRowBytes` each. Valid until `close`. */
  kvView(range: KvRange): Uint8Array;
  /** Copies the leading rows of all layers from slot to slot. */
  copyKv(fromSlot: number, toSlot: number, tokens: number): Promise<void>;
  /** Media tokens of tiles [tiles, 3, size, size] as float32 [tiles * tokensPerTile, dim]. */
  encodeTiles(tiles: TileBatch, signal: AbortSignal): Promise<Float32Array>;
  /** The unit vector of one text. */
  embed(text: EmbedText, signal: AbortSignal): Promise<Float32Array>;
}

export interface BackendDescriptor extends EngineDescriptor {
  /** KV slots of the arena; each holds `contextTokensMax` tokens. */
  readonly slotCount: number;
}

export interface BackendStep {
  readonly prefills: readonly PrefillChunk[];
  readonly decodes: readonly DecodeRow[];
  /** Threads that were granted to this step. */
  readonly threads: number;
  /** Called as layers 0, 1, … of every chunk in the step are complete in KV memory. */
  onLayersReady?(layersDone: number): void;
}

/** Consecutive tokens of one sequence. */
export interface PrefillChunk {
  readonly slot: number;
  /** Position of the first token; all rows before it are stored. */
  readonly start: number;
  readonly tokenIds: Uint32Array;
  /** Media rows that replace the embedding of their tokens; `start` is absolute, within the chunk. */
  readonly media: readonly { readonly start: number; readonly tokens: number; readonly rows: Float32Array }[];
  /** `generated`: text that was decoded once (a replay); its rows go through the kernels of decode rows. */
  readonly rows: 'prompt' | 'generated';
  /** Wants the logits of the last token. */
  readonly wantsLogits: boolean;
}

export interface DecodeRow {
  readonly slot: number;
  readonly position: number;
  readonly tokenId: number;
}

/** Logits [vocab] in the order asked for; the caller may write to them, and the next `run` overwrites them. */
export interface StepLogits {
  readonly prefills: readonly (Float32Array | undefined)[];
  readonly decodes: readonly Float32Array[];
}

export interface KvRange {
  readonly slot: number;
  readonly layer: number;
  readonly part: 'k' | 'v';
  readonly fromToken: number;
  readonly toToken: number;
}

export interface TileBatch {
  readonly pixels: Float32Array;
  readonly tileCount: number;
  readonly threads: number;
}

export interface EmbedText {
  readonly tokenIds: Uint32Array;
  readonly threads: number;
}
