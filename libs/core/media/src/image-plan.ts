import { TercetError } from '@tercet/contracts';

/**
 * How an image becomes tiles for the vision tower. The image is brought to a longest edge, then stretched to whole
 * tiles, then cut in reading order; last comes the whole image squeezed into one tile, the global view. An image that
 * is one tile already is its own global view.
 *
 * @see Laurençon et al., 2024, "Building and better understanding vision-language models" (arXiv 2408.12637), image
 *   splitting; sizes are equal to those of the Idefics3 image processor of transformers 5.19.
 */
export interface VisionShape {
  /** Side of a tile as the vision tower sees it, pixels. */
  readonly tileSize: number;
  /** Longest edge of the image before it is stretched to whole tiles, pixels. */
  readonly longestEdge: number;
  /** Prompt slots that one tile fills. */
  readonly tokensPerTile: number;
  /** False: every image is one global view. */
  readonly split: boolean;
}

export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

export interface ImageLimits {
  /** Most pixels that an image may have before it is resized. */
  readonly pixelsMax: number;
  /** Most tiles of one image, global view included. */
  readonly tilesMax: number;
}

export interface PlannedTile {
  /** Place in the plan, from 0; the global view is the last one. */
  readonly index: number;
  /** Place in the resized image, pixels; the global view covers all of it. */
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly globalView: boolean;
}

export interface ImagePlan {
  /** Size between the two resizes. */
  readonly boundedWidth: number;
  readonly boundedHeight: number;
  /** Size that tiles are cut from. */
  readonly resizedWidth: number;
  readonly resizedHeight: number;
  /** Both 0 where the global view is the only tile. */
  readonly rows: number;
  readonly columns: number;
  readonly tiles: readonly PlannedTile[];
  /** Prompt slots that all tiles fill. */
  readonly mediaTokens: number;
}

/** No image is brought to a longer edge than this, whatever the model asks for. */
const edgeMax = 4096;

/**
 * Plans the resizes and tiles of an image of a size.
 * @throws media_invalid for a size that is not positive, media_too_large for one over the limits
 */
export function planImage(size: ImageSize, vision: VisionShape, limits?: ImageLimits): ImagePlan {
  const { width, height } = size;
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new TercetError('media_invalid', { width, height });
  }
  const pixelsMax = limits?.pixelsMax ?? Number.POSITIVE_INFINITY;
  if (width * height > pixelsMax) throw new TercetError('media_too_large', { width, height, pixelsMax });
  const bounded = underEdgeMax(toLongestEdge(size, vision.longestEdge));
  const { tileSize } = vision;
  const resized = vision.split ? toWholeTiles(bounded, tileSize) : { width: tileSize, height: tileSize };
  const isSplit = resized.width > tileSize || resized.height > tileSize;
  const rows = isSplit ? resized.height / tileSize : 0;
  const columns = isSplit ? resized.width / tileSize : 0;
  const tileCount = rows * columns + 1;
  const tilesMax = limits?.tilesMax ?? Number.POSITIVE_INFINITY;
  if (tileCount > tilesMax) throw new TercetError('media_too_large', { width, height, tiles: tileCount, tilesMax });
  return {
    boundedWidth: bounded.width,
    boundedHeight: bounded.height,
    resizedWidth: resized.width,
    resizedHeight: resized.height,
    rows,
    columns,
    tiles: tilesOf(rows, columns, tileSize),
    mediaTokens: tileCount * vision.tokensPerTile,
  };
}

function tilesOf(rows: number, columns: number, size: number): PlannedTile[] {
  const tiles: PlannedTile[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      tiles.push({ index: tiles.length, x: column * size, y: row * size, size, globalView: false });
    }
  }
  tiles.push({ index: tiles.length, x: 0, y: 0, size, globalView: true });
  return tiles;
}

/** The longer edge becomes `edge`; the other keeps the aspect, cut to whole pixels and then made even. */
function toLongestEdge({ width, height }: ImageSize, edge: number): ImageSize {
  const aspect = width / height;
  if (width >= height) return { width: edge, height: even(Math.trunc(edge / aspect)) };
  return { width: even(Math.trunc(edge * aspect)), height: edge };
}

function even(length: number): number {
  return Math.max(1, length + (length % 2));
}

function underEdgeMax({ width, height }: ImageSize): ImageSize {
  const aspect = width / height;
  if (width >= height && width > edgeMax) return { width: edgeMax, height: Math.max(1, Math.trunc(edgeMax / aspect)) };
  if (height > edgeMax) return { width: Math.max(1, Math.trunc(edgeMax * aspect)), height: edgeMax };
  return { width, height };
}

/** The longer edge grows to whole tiles, the other follows by aspect and then grows to whole tiles as well. */
function toWholeTiles({ width, height }: ImageSize, tileSize: number): ImageSize {
  const aspect = width / height;
  const whole = (length: number): number => Math.max(1, Math.ceil(length / tileSize)) * tileSize;
  if (width >= height) {
    const wholeWidth = whole(width);
    return { width: wholeWidth, height: whole(Math.trunc(wholeWidth / aspect)) };
  }
  const wholeHeight = whole(height);
  return { width: whole(Math.trunc(wholeHeight * aspect)), height: wholeHeight };
}
