import { assert, Prng } from '@tercet/base';
import type {
  Backend,
  BackendDescriptor,
  BackendStep,
  EmbedText,
  KvRange,
  PrefillChunk,
  StepLogits,
  TileBatch,
} from '../backend.js';

export interface FakeBackendOptions {
  readonly layerCount?: number;
  readonly slotCount?: number;
  readonly contextTokensMax?: number;
  readonly vocabSize?: number;
  /** Rows then also depend on how many their chunk has: one, fewer than {@link fakeKernelRows}, or more. */
  readonly shapeSensitive?: boolean;
  /** Awaited after every layer and unit; absent: one microtask. Give one that lets the event loop turn. */
  readonly pause?: () => Promise<void>;
}

/** Chunks of at least so many prompt rows have kernels of their own in a backend that is sensitive to shapes. */
export const fakeKernelRows = 20;
const rowBytes = 8;

/**
 * A backend without a model, for tests. Every KV row is a digest of all tokens and media before it, chained through KV
 * memory; logits are drawn from a digest over all rows of the sequence in all layers. So a token depends on the prompt,
 * the media and the position alone, and any row that is missing, stale or of another sequence changes the text.
 */
export class FakeBackend implements Backend {
  readonly descriptor: BackendDescriptor;
  /** What was asked, for tests to look at. */
  readonly counters = { steps: 0, rows: 0, copiedTokens: 0, tiles: 0, embeds: 0, stepRowsMax: 0 };
  closed = false;
  readonly #shapeSensitive: boolean;
  readonly #pause: () => Promise<void>;
  readonly #arena: Uint8Array[];
  #fault: { readonly error: unknown } | undefined;

  constructor(options: FakeBackendOptions = {}) {
    const { layerCount = 3, slotCount = 8, contextTokensMax = 256, vocabSize = 64 } = options;
    this.descriptor = {
      modelName: 'fake',
      modelDigest: 'fake-model',
      kvLayoutDigest: 'fake-kv',
      layerCount,
      kvRowBytes: rowBytes,
      contextTokensMax,
      vocabSize,
      slotCount,
      media: { tileSize: 4, tokensPerTile: 2, patchesPerTile: 16, dim: 4, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
      embeddingDim: 8,
    };
    this.#shapeSensitive = options.shapeSensitive ?? false;
    this.#pause = options.pause ?? (async () => undefined);
    const arenaBytes = slotCount * contextTokensMax * rowBytes;
    this.#arena = Array.from({ length: layerCount * 2 }, () => new Uint8Array(arenaBytes).fill(0xee));
  }

  kernelOf(rows: number): number {
    if (!this.#shapeSensitive) return 0;
    if (rows === 1) return 1;
    return rows < fakeKernelRows ? 2 : 3;
  }

  /** The next call that computes throws this. */
  failNext(error: unknown): void {
    this.#fault = { error };
  }

  async run(step: BackendStep, signal: AbortSignal): Promise<StepLogits> {
    await this.#enter(signal);
    const { layerCount, contextTokensMax } = this.descriptor;
    const decodes = step.decodes.map(({ slot, position, tokenId }) => {
      return { slot, start: position, tokenIds: Uint32Array.of(tokenId), media: [], wantsLogits: true } as const;
    });
    const chunks: PrefillChunk[] = [
      ...step.prefills,
      ...decodes.map((row) => ({ ...row, rows: 'generated' as const })),
    ];
    assert(chunks.length > 0 && new Set(chunks.map(({ slot }) => slot)).size === chunks.length, 'slots repeat or none');
    const digests = chunks.map((chunk) => this.#digestsOf(chunk));
    for (const { start, tokenIds } of chunks) assert(start + tokenIds.length <= contextTokensMax, 'rows beyond a slot');
    for (let layer = 0; layer < layerCount; layer++) {
      chunks.forEach((chunk, i) => {
        this.#storeRows(chunk, layer, digests[i] as Uint32Array);
      });
      step.onLayersReady?.(layer + 1);
      await this.#pause();
      signal.throwIfAborted();
    }
    const rows = chunks.reduce((sum, chunk) => sum + chunk.tokenIds.length, 0);
    this.counters.steps++;
    this.counters.rows += rows;
    this.counters.stepRowsMax = Math.max(this.counters.stepRowsMax, rows);
    const logits = chunks.map((chunk) => (chunk.wantsLogits ? this.#logitsAfter(chunk) : undefined));
    return {
      prefills: logits.slice(0, step.prefills.length),
      decodes: logits.slice(step.prefills.length) as Float32Array[],
    };
  }

  kvView({ slot, layer, part, fromToken, toToken }: KvRange): Uint8Array {
    const { contextTokensMax, slotCount } = this.descriptor;
    assert(slot < slotCount && fromToken <= toToken && toToken <= contextTokensMax, 'KV rows outside the arena');
    const arena = this.#arena[layer * 2 + (part === 'k' ? 0 : 1)];
    assert(arena !== undefined, 'no such layer', { layer });
    const base = slot * contextTokensMax;
    return arena.subarray((base + fromToken) * rowBytes, (base + toToken) * rowBytes);
  }

  async copyKv(fromSlot: number, toSlot: number, tokens: number): Promise<void> {
    assert(fromSlot !== toSlot, 'copy onto itself', { fromSlot });
    for (let layer = 0; layer < this.descriptor.layerCount; layer++) {
      for (const part of ['k', 'v'] as const) {
        const rows = { layer, part, fromToken: 0, toToken: tokens };
        this.kvView({ ...rows, slot: toSlot }).set(this.kvView({ ...rows, slot: fromSlot }));
      }
    }
    this.counters.copiedTokens += tokens;
    await this.#pause();
  }

  async encodeTiles({ pixels, tileCount }: TileBatch, signal: AbortSignal): Promise<Float32Array> {
    await this.#enter(signal);
    const perTile = pixels.length / tileCount;
    const rows: number[] = [];
    for (let tile = 0; tile < tileCount; tile++) {
      const digest = digestOf(pixels.subarray(tile * perTile, (tile + 1) * perTile), 1);
      rows.push(...drawn(digest, 2 * 4));
    }
    this.counters.tiles += tileCount;
    await this.#pause();
    return Float32Array.from(rows);
  }

  async embed({ tokenIds }: EmbedText, signal: AbortSignal): Promise<Float32Array> {
    await this.#enter(signal);
    const values = drawn(digestOf(tokenIds, 2), this.descriptor.embeddingDim ?? 0);
    const norm = Math.hypot(...values);
    this.counters.embeds++;
    await this.#pause();
    return Float32Array.from(values, (value) => value / norm);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
  }

  async #enter(signal: AbortSignal): Promise<void> {
    assert(!this.closed, 'call to a closed backend');
    signal.throwIfAborted();
    const fault = this.#fault;
    this.#fault = undefined;
    if (fault === undefined) return;
    await this.#pause();
    throw fault.error;
  }

  /** One digest per token of the chunk, chained to the row before it as it stands in KV memory. */
  #digestsOf(chunk: PrefillChunk): Uint32Array {
    const { slot, start, tokenIds, media, rows } = chunk;
    const digests = new Uint32Array(tokenIds.length);
    const shape = rows === 'prompt' ? this.kernelOf(tokenIds.length) : 0;
    let digest = start === 0 ? 7 : this.#storedDigest(slot, start - 1);
    for (let i = 0; i < tokenIds.length; i++) {
      const position = start + i;
      const span = media.find((other) => position >= other.start && position < other.start + other.tokens);
      digest = mix(mix(digest, position), span === undefined ? (tokenIds[i] as number) : 0x9999);
      if (span !== undefined) {
        const dim = span.rows.length / span.tokens;
        digest = digestOf(span.rows.subarray((position - span.start) * dim, (position - span.start + 1) * dim), digest);
      }
      digests[i] = shape === 0 ? digest : mix(digest, shape);
      digest = digests[i] as number;
    }
    return digests;
  }

  #storedDigest(slot: number, position: number): number {
    const row = this.kvView({ slot, layer: 0, part: 'k', fromToken: position, toToken: position + 1 });
    return new DataView(row.buffer, row.byteOffset).getUint32(0);
  }

  #storeRows({ slot, start }: PrefillChunk, layer: number, digests: Uint32Array): void {
    for (const part of ['k', 'v'] as const) {
      const rows = this.kvView({ slot, layer, part, fromToken: start, toToken: start + digests.length });
      const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
      digests.forEach((digest, i) => {
        view.setUint32(i * rowBytes, digest);
        view.setUint32(i * rowBytes + 4, mix(digest, layer * 2 + (part === 'k' ? 0 : 1)));
      });
    }
  }

  #logitsAfter({ slot, start, tokenIds }: PrefillChunk): Float32Array {
    let digest = 3;
    for (let layer = 0; layer < this.descriptor.layerCount; layer++) {
      for (const part of ['k', 'v'] as const) {
        digest = digestOf(this.kvView({ slot, layer, part, fromToken: 0, toToken: start + tokenIds.length }), digest);
      }
    }
    return Float32Array.from(drawn(digest, this.descriptor.vocabSize));
  }
}

function drawn(seed: number, count: number): number[] {
  const prng = new Prng(seed);
  return Array.from({ length: count }, () => prng.nextFloat() * 8 - 4);
}

function digestOf(values: Float32Array | Uint32Array | Uint8Array, seed: number): number {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let digest = seed;
  for (let i = 0; i < bytes.length; i++) digest = Math.imul(digest ^ (bytes[i] as number), 0x01000193) >>> 0;
  return mix(digest, bytes.length);
}

function mix(a: number, b: number): number {
  let z = (Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) + b) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}
