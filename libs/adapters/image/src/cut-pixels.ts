import { cutRegion, type Rect, type RgbRegion, resizeWindow, type Size, sourceRect } from './lanczos.js';

export interface TilePlace {
  readonly x: number;
  readonly y: number;
  readonly globalView: boolean;
}

export interface CutSpec {
  /** Sizes of the two resizes, in turn. */
  readonly bounded: Size;
  readonly resized: Size;
  readonly tileSize: number;
  readonly tiles: readonly TilePlace[];
  /** What a byte becomes: 256 values for each of red, green and blue. */
  readonly levels: Float32Array;
}

/**
 * Tiles of an image as the vision tower reads them, float32 [tiles, 3, size, size]. Only the part of the image that the
 * tiles are made of is resized.
 */
export function cutPixels(image: RgbRegion, spec: CutSpec): Float32Array<ArrayBuffer> {
  const { bounded, resized, tileSize, tiles, levels } = spec;
  const window = windowOf(tiles, resized, tileSize);
  const middle = resizeWindow(image, bounded, sourceRect(bounded, resized, window));
  const last = resizeWindow(middle, resized, window);
  const out = new Float32Array(tiles.length * 3 * tileSize * tileSize);
  const square = { x: 0, y: 0, width: tileSize, height: tileSize };
  tiles.forEach(({ x, y, globalView }, i) => {
    const bytes = globalView ? resizeWindow(last, square, square).data : cutRegion(last, { ...square, x, y });
    writeLevels(bytes, levels, out.subarray(i * 3 * tileSize * tileSize));
  });
  return out;
}

/** 256 values a channel: (byte / 255 − mean) / std, rounded to float32 where the reference rounds. */
export function levelsOf(mean: readonly number[], std: readonly number[]): Float32Array<ArrayBuffer> {
  const levels = new Float32Array(3 * 256);
  for (let channel = 0; channel < 3; channel++) {
    const shift = Math.fround(mean[channel] as number);
    const scale = Math.fround(std[channel] as number);
    for (let byte = 0; byte < 256; byte++) {
      const share = Math.fround(byte * (1 / 255));
      levels[channel * 256 + byte] = Math.fround(share - shift) / scale;
    }
  }
  return levels;
}

function windowOf(tiles: readonly TilePlace[], resized: Size, tileSize: number): Rect {
  if (tiles.some((tile) => tile.globalView)) return { x: 0, y: 0, ...resized };
  const x = Math.min(...tiles.map((tile) => tile.x));
  const y = Math.min(...tiles.map((tile) => tile.y));
  const right = Math.max(...tiles.map((tile) => tile.x)) + tileSize;
  const bottom = Math.max(...tiles.map((tile) => tile.y)) + tileSize;
  return { x, y, width: right - x, height: bottom - y };
}

/** Interleaved bytes to planes of values. */
function writeLevels(bytes: Uint8Array, levels: Float32Array, out: Float32Array): void {
  const pixels = bytes.length / 3;
  for (let channel = 0; channel < 3; channel++) {
    const level = channel * 256;
    const plane = channel * pixels;
    for (let i = 0, at = channel; i < pixels; i++, at += 3) {
      out[plane + i] = levels[level + (bytes[at] as number)] as number;
    }
  }
}
