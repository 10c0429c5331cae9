import { ManualClock } from '@tercet/base';
import { wire } from '@tercet/contracts';
import { EmbeddedEngine, FakeBackend, greedySampler } from '@tercet/engine';
import { DecodeStage } from './decode-stage.js';
import { EncodeStage, type TileSource } from './encode-stage.js';
import { MemoryTensors } from './memory-tensors.js';
import { PrefillStage } from './prefill-stage.js';
import { TileCache } from './tile-cache.js';

export const never = new AbortController().signal;
export const context = wire.CallContext.fromPartial({ requestId: 'r' });
export const sampling = wire.Sampling.fromPartial({ temperature: 0, topP: 1, repetitionPenalty: 1 });

const limits = {
  stepTokensMax: 40,
  chunkTokens: 32,
  chunkWaitStepsMax: 4,
  agedSteps: 16,
  kvBlocksMax: 32,
  reuseGrainTokens: 16,
  waitingMax: 4,
  stepTilesMax: 2,
  decodeAheadTokens: 8,
};

export interface StageTrioOptions {
  /** Tokens that end a text. */
  readonly endOfTextTokenIds?: readonly number[];
  /** Awaited by the backend of prefill after every layer. */
  readonly prefillPause?: () => Promise<void>;
}

/** The three stages in one process, each with an engine of its own over the fake backend. */
export class StageTrio implements AsyncDisposable {
  readonly tensors = new MemoryTensors();
  /** What the vision tower was asked to cut. */
  readonly cuts: TileSource[] = [];
  readonly encode: EncodeStage;
  readonly prefill: PrefillStage;
  readonly decode: DecodeStage;
  readonly #engines: EmbeddedEngine[] = [];

  readonly #decodeBackend = new FakeBackend({ pause: turnOfEventLoop });

  constructor({ endOfTextTokenIds = [], prefillPause = turnOfEventLoop }: StageTrioOptions = {}) {
    const { tensors } = this;
    const common = (backend = new FakeBackend({ pause: turnOfEventLoop })) => {
      return { engine: this.#open(backend, endOfTextTokenIds), tensors, clock: new ManualClock() };
    };
    const cutTiles = async (source: TileSource) => {
      this.cuts.push(source);
      const { tiles, media } = source;
      const pixelsOf = ({ index }: wire.Tile) => Array<number>(3 * media.tileSize ** 2).fill(index + 1);
      return Float32Array.from(tiles.flatMap(pixelsOf));
    };
    this.encode = new EncodeStage({ ...common(), cutTiles, cache: new TileCache(1000), tilesMax: 4 });
    this.prefill = new PrefillStage(common(new FakeBackend({ pause: prefillPause })));
    this.decode = new DecodeStage(common(this.#decodeBackend));
  }

  /** Rows of a layer in the first slot of decode, as they stand there now. */
  decodeRows(layer: number, tokens: number): Uint8Array {
    return this.#decodeBackend.kvView({ slot: 0, layer, part: 'k', fromToken: 0, toToken: tokens });
  }

  /** The answer of an encode call, which stays open. */
  async encoded(request: wire.EncodeTilesRequest, signal = never): Promise<wire.EncodeTilesResponse> {
    const { value } = await this.encode.encodeTiles(request, signal).next();
    if (value === undefined) throw new Error('no answer');
    return value;
  }

  /** Requests that hold a slot, wait for one, or have lent something. */
  get held(): number {
    const loads = this.#engines.map((engine) => engine.load());
    return loads.reduce((sum, load) => sum + load.waiting + load.running + load.kvBlocksUsed, this.tensors.open);
  }

  /** Resolves once nothing is held, which may take the engines some turns. */
  async idle(): Promise<void> {
    for (let turn = 0; this.held > 0; turn++) {
      if (turn === 100) throw new Error(`still held: ${this.held}`);
      await turnOfEventLoop();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const engine of this.#engines) await engine[Symbol.asyncDispose]();
  }

  #open(backend: FakeBackend, endOfTextTokenIds: readonly number[]): EmbeddedEngine {
    const engine = EmbeddedEngine.open({
      backend,
      clock: new ManualClock(),
      samplerOf: () => greedySampler,
      endOfTextTokenIds: new Set(endOfTextTokenIds),
      threads: 1,
      limits,
    });
    this.#engines.push(engine);
    return engine;
  }
}

/** Lets everything that is ready run. */
export function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function promptIds(length: number): number[] {
  return Array.from({ length }, (_, i) => 1 + ((i * 7) % 60));
}

export function prefillRequest(tokenIds: number[], more: Partial<wire.PrefillRequest> = {}): wire.PrefillRequest {
  return wire.PrefillRequest.fromPartial({ context, model: 'fake', tokenIds, sampling, ...more } as object);
}

/** Tiles by their content keys; a key of '' is not cached. */
export function tilesRequest(contentKeys: readonly string[]): wire.EncodeTilesRequest {
  const tiles = contentKeys.map((contentKey, index) => ({ index, size: 4, contentKey }));
  const size = { resizedWidth: 8, resizedHeight: 4, boundedWidth: 80, boundedHeight: 40 };
  return wire.EncodeTilesRequest.fromPartial({ context, model: 'fake', contentHash: 'h', tiles, ...size });
}
