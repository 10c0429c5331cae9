import type { Clock } from '@tercet/base';
import { TercetError, wire } from '@tercet/contracts';
import type { MediaDescriptor, StageEngine } from '@tercet/engine';
import { cacheKeyOf } from '@tercet/media';
import { callOf } from './from-wire.js';
import { LentTensors } from './lent.js';
import { mediaLayoutDigest } from './media-layout.js';
import type { MountedStage } from './role-host.js';
import type { TensorPort } from './tensor-port.js';
import type { TileCache } from './tile-cache.js';

export interface TileSource {
  readonly image: Uint8Array;
  readonly tiles: readonly wire.Tile[];
  /** Size between the two resizes, and size that tiles are cut from. */
  readonly bounded: { readonly width: number; readonly height: number };
  readonly resized: { readonly width: number; readonly height: number };
  /** Tile size, mean and deviation that the vision tower was made for. */
  readonly media: MediaDescriptor;
}

/**
 * Port: cuts the tiles of an image file for the vision tower. Normalised pixels, float32, [tiles, 3, size, size].
 * @throws media_invalid, media_too_large, media_type_unsupported
 */
export type CutTiles = (source: TileSource, signal: AbortSignal) => Promise<Float32Array>;

export interface EncodeStageOptions {
  readonly engine: StageEngine;
  readonly tensors: TensorPort;
  readonly cutTiles: CutTiles;
  readonly cache: TileCache;
  readonly clock: Clock;
  readonly tilesMax: number;
}

/** Media and text to vectors. */
export class EncodeStage implements MountedStage {
  readonly role = wire.Role.ROLE_ENCODE;
  readonly counters = { cacheHits: 0, requestsDone: 0, tokensDone: 0 };
  readonly #options: EncodeStageOptions;
  readonly #lent: LentTensors;

  constructor(options: EncodeStageOptions) {
    this.#options = options;
    this.#lent = new LentTensors(options.tensors);
  }

  get leasesOpen(): number {
    return this.#lent.count;
  }

  /**
   * Media tokens of some tiles of one image, in the order asked for, as one leased tensor. The call lasts until it was
   * read or its lease ended; a caller that leaves earlier gives it up.
   * @throws stage_protocol, feature_unsupported, invalid_request, media_invalid, media_too_large,
   *   media_type_unsupported, overloaded
   */
  async *encodeTiles(request: wire.EncodeTilesRequest, signal: AbortSignal): AsyncGenerator<wire.EncodeTilesResponse> {
    const { engine, clock, tilesMax } = this.#options;
    const { requestId } = callOf(request, engine.descriptor);
    const { media } = engine.descriptor;
    const { tiles } = request;
    if (media === undefined) throw new TercetError('feature_unsupported', { feature: 'images', model: request.model });
    if (tiles.length === 0 || tiles.length > tilesMax) {
      throw new TercetError('invalid_request', { tiles: tiles.length, tilesMax });
    }
    const startMs = clock.nowMs();
    const tileValues = media.tokensPerTile * media.dim;
    const rows = new Float32Array(tiles.length * tileValues);
    const cachedTiles = await this.#fill(rows, { request, requestId }, signal);
    signal.throwIfAborted();
    this.counters.cacheHits += cachedTiles;
    this.counters.requestsDone++;
    this.counters.tokensDone += tiles.length * media.tokensPerTile;
    const loan = this.#lent.lend({
      shape: [tiles.length * media.tokensPerTile, media.dim],
      dtype: wire.DType.DTYPE_F32,
      layoutDigest: mediaLayoutDigest(engine.descriptor),
      reader: request.reader,
      segments: [{ bytes: rows.byteLength, ready: async () => {}, view: () => new Uint8Array(rows.buffer) }],
      onEnd: () => {},
    });
    const timings = { queueMs: 0, transferMs: 0, computeMs: clock.nowMs() - startMs };
    try {
      yield { lease: loan.lease, tokensPerTile: media.tokensPerTile, cachedTiles, timings };
      await loan.ended(signal);
    } finally {
      loan.takeBack();
    }
  }

  /** One unit vector per input. @throws stage_protocol, feature_unsupported, prompt_too_long, overloaded */
  async embedText(request: wire.EmbedTextRequest, signal: AbortSignal): Promise<wire.EmbedTextResponse> {
    const { engine, clock } = this.#options;
    const { requestId } = callOf(request, engine.descriptor);
    const startMs = clock.nowMs();
    const inputs = request.inputs.map(({ ids }) => Uint32Array.from(ids));
    const vectors = await engine.embed({ requestId, inputs }, signal);
    this.counters.requestsDone++;
    this.counters.tokensDone += inputs.reduce((sum, ids) => sum + ids.length, 0);
    const timings = { queueMs: 0, transferMs: 0, computeMs: clock.nowMs() - startMs };
    return { embeddings: vectors.map((vector) => ({ values: Array.from(vector) })), timings };
  }

  drained(signal: AbortSignal): Promise<void> {
    return this.#lent.drained(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lent.drained(AbortSignal.abort());
  }

  /** Fills `out` from the cache, and from the engine what the cache does not have. Returns how many tiles it had. */
  async #fill(out: Float32Array, call: NamedCall, signal: AbortSignal): Promise<number> {
    const { request, requestId } = call;
    const { cache, engine, cutTiles } = this.#options;
    const tileValues = out.length / request.tiles.length;
    const missing: number[] = [];
    const { media } = engine.descriptor;
    if (media === undefined) throw new TercetError('feature_unsupported', { feature: 'images', model: request.model });
    const tenant = request.context?.tenant ?? '';
    request.tiles.forEach(({ contentKey }, i) => {
      const rows = contentKey === '' ? undefined : cache.get(cacheKeyOf(tenant, contentKey));
      if (rows?.length === tileValues) out.set(rows, i * tileValues);
      else missing.push(i);
    });
    if (missing.length === 0) return request.tiles.length;
    const tiles = missing.map((i) => request.tiles[i] as wire.Tile);
    const bounded = { width: request.boundedWidth, height: request.boundedHeight };
    const resized = { width: request.resizedWidth, height: request.resizedHeight };
    const pixels = await cutTiles({ image: request.image, tiles, bounded, resized, media }, signal);
    const task = { requestId, pixels, tileCount: tiles.length };
    const encoded = await engine.encode(task, signal);
    missing.forEach((tileIndex, i) => {
      const rows = encoded.subarray(i * tileValues, (i + 1) * tileValues);
      out.set(rows, tileIndex * tileValues);
      const contentKey = request.tiles[tileIndex]?.contentKey ?? '';
      if (contentKey !== '') cache.put(cacheKeyOf(tenant, contentKey), rows);
    });
    return request.tiles.length - missing.length;
  }
}

interface NamedCall {
  readonly request: wire.EncodeTilesRequest;
  readonly requestId: string;
}
