import { availableParallelism } from 'node:os';
import { TercetError } from '@tercet/contracts';
import type { CutTiles, TileSource } from '@tercet/stage';
import { levelsOf } from './cut-pixels.js';
import { probeImage } from './probe-image.js';
import { WorkerPool } from './worker-pool.js';

export interface TileCutterOptions {
  /** Most pixels of an image as it came. */
  readonly pixelsMax: number;
  readonly bytesMax?: number;
  /** Longest width or height of an image as it came. */
  readonly edgeMax?: number;
  /** Most threads; they start when first needed. */
  readonly workersMax?: number;
  /** Most images that wait for a thread. */
  readonly waitingMax?: number;
  /** Longest that one image may take to decode. */
  readonly decodeSecondsMax?: number;
}

/** No plan has a longer edge. */
const plannedEdgeMax = 8192;

/** Cuts the tiles of image files in threads of its own. */
export class TileCutter implements AsyncDisposable {
  readonly #options: Required<TileCutterOptions>;
  readonly #pool: WorkerPool;

  constructor(options: Required<TileCutterOptions>) {
    this.#options = options;
    this.#pool = new WorkerPool(options);
  }

  /**
   * Pixels of the tiles asked for, in that order; bytes are equal to the reference's, see `lanczos.ts`.
   * @throws media_invalid, media_too_large, media_type_unsupported, overloaded, shutting_down; invalid_request when
   *   the tiles are not in the resized image
   */
  readonly cutTiles: CutTiles = async (source, signal) => {
    const { image, bounded, resized, media } = source;
    checkPlan(source);
    const probed = probeImage(image, this.#options);
    const tiles = source.tiles.map(({ x, y, globalView }) => ({ x, y, globalView }));
    const levels = levelsOf(media.mean, media.std);
    const decode = { ...probed, secondsMax: this.#options.decodeSecondsMax };
    const job = { file: image, decode, cut: { bounded, resized, tileSize: media.tileSize, tiles, levels } };
    return await this.#pool.run(job, signal);
  };

  /** Starts a thread ahead of the first image, which would wait for it. */
  warm(): void {
    this.#pool.warm();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool[Symbol.asyncDispose]();
  }
}

/** A cutter with limits that fit a photo of a phone, unless they are given. */
export function openTileCutter(options: TileCutterOptions): TileCutter {
  return new TileCutter({
    bytesMax: 64 * 2 ** 20,
    edgeMax: 32_768,
    workersMax: Math.min(4, availableParallelism()),
    waitingMax: 64,
    decodeSecondsMax: 10,
    ...options,
  });
}

/** The numbers come over the wire: none may ask for memory without a bound or for pixels that are not there. */
function checkPlan({ tiles, bounded, resized, media }: TileSource): void {
  for (const { width, height } of [bounded, resized]) {
    const isPlanned = Number.isInteger(width) && Number.isInteger(height) && Math.min(width, height) >= 1;
    if (!isPlanned || Math.max(width, height) > plannedEdgeMax) {
      throw new TercetError('invalid_request', { width, height, edgeMax: plannedEdgeMax });
    }
  }
  const { tileSize } = media;
  for (const { index, x, y, size, globalView } of tiles) {
    const isInside = globalView || (x + tileSize <= resized.width && y + tileSize <= resized.height);
    if (size !== tileSize || !isInside) throw new TercetError('invalid_request', { tile: index, x, y, size, tileSize });
  }
}
