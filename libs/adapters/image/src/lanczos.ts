/**
 * Lanczos resampling in two passes of fixed-point arithmetic, rounded to bytes between them. Every byte equals Pillow's
 * `Image.resize(size, LANCZOS)`, so that the vision tower sees what it was trained on: the filter grows with the
 * reduction, weights are rounded to 22 bits, sums start at one half. Rounding makes the order of the passes visible:
 * the horizontal one comes first unless the height shrinks by more than twice the pixels that the width shrinks by.
 * (Pillow before 13 always began with the horizontal one; such bytes differ by one here and there.)
 * @see Pillow 13, Image.resize; Duchon, 1979, "Lanczos Filtering in One and Two Dimensions"
 */

/** A rectangle of an RGB image, 3 bytes a pixel, row by row; `imageWidth` and `imageHeight` are of the whole image. */
export interface RgbRegion {
  readonly data: Uint8Array;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly imageWidth: number;
  readonly imageHeight: number;
}

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Weights of the outputs `start …` of one axis: output i sums `counts[i]` inputs from `firsts[i]` on. */
interface AxisWeights {
  readonly firsts: Int32Array;
  readonly counts: Int32Array;
  /** `stride` numbers for each output. */
  readonly weights: Int32Array;
  readonly stride: number;
}

const lobes = 3;
const weightBits = 22;
const half = 1 << (weightBits - 1);

/**
 * The window of the image resized to `to`.
 * @param source must hold the rectangle that {@link sourceRect} names
 * Cost: about 2 · lobes · max(1, reduction) multiplications a byte and pass.
 */
export function resizeWindow(source: RgbRegion, to: Size, window: Rect): RgbRegion {
  const needed = sourceRect({ width: source.imageWidth, height: source.imageHeight }, to, window);
  const cut = cutRegion(source, needed);
  const { imageWidth, imageHeight } = source;
  const across = (data: Uint8Array, height: number): Uint8Array => {
    if (imageWidth === to.width) return data;
    const weights = axisWeights(imageWidth, to.width, window.x, window.width);
    return resampleRows(data, { width: needed.width, height, first: needed.x }, weights);
  };
  const down = (data: Uint8Array, width: number): Uint8Array => {
    if (imageHeight === to.height) return data;
    const weights = axisWeights(imageHeight, to.height, window.y, window.height);
    return resampleColumns(data, width * 3, needed.y, weights);
  };
  const isDownFirst = to.height < imageHeight && imageHeight - to.height > 2 * (imageWidth - to.width);
  const data = isDownFirst
    ? across(down(cut, needed.width), window.height)
    : down(across(cut, needed.height), window.width);
  return { data, ...window, imageWidth: to.width, imageHeight: to.height };
}

/** The part of an image of a size that a window of it, resized, is made of. */
export function sourceRect(from: Size, to: Size, window: Rect): Rect {
  const [x, width] = sourceRange(from.width, to.width, window.x, window.width);
  const [y, height] = sourceRange(from.height, to.height, window.y, window.height);
  return { x, y, width, height };
}

/** The bytes of a rectangle that the region holds; the region's own bytes where it is all of it. */
export function cutRegion(region: RgbRegion, rect: Rect): Uint8Array {
  if (rect.width === region.width && rect.height === region.height) return region.data;
  const out = new Uint8Array(rect.width * rect.height * 3);
  for (let row = 0; row < rect.height; row++) {
    const at = ((rect.y - region.y + row) * region.width + rect.x - region.x) * 3;
    out.set(region.data.subarray(at, at + rect.width * 3), row * rect.width * 3);
  }
  return out;
}

function sourceRange(from: number, to: number, start: number, length: number): [number, number] {
  if (from === to) return [start, length];
  const [first] = tapsOf(from, to, start);
  const [last, count] = tapsOf(from, to, start + length - 1);
  return [first, last + count - first];
}

/** First input and number of inputs of one output. */
function tapsOf(from: number, to: number, output: number): [number, number] {
  const scale = from / to;
  const support = lobes * Math.max(scale, 1);
  const center = (output + 0.5) * scale;
  const first = Math.max(0, Math.trunc(center - support + 0.5));
  const end = Math.min(from, Math.trunc(center + support + 0.5));
  return [first, end - first];
}

function axisWeights(from: number, to: number, start: number, length: number): AxisWeights {
  const scale = from / to;
  const filterScale = Math.max(scale, 1);
  const stride = Math.ceil(lobes * filterScale) * 2 + 1;
  const firsts = new Int32Array(length);
  const counts = new Int32Array(length);
  const weights = new Int32Array(length * stride);
  const exact = new Float64Array(stride);
  for (let i = 0; i < length; i++) {
    const [first, count] = tapsOf(from, to, start + i);
    const center = (start + i + 0.5) * scale;
    let sum = 0;
    for (let tap = 0; tap < count; tap++) {
      const weight = lanczos((tap + first - center + 0.5) * (1 / filterScale));
      exact[tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < count; tap++) {
      const share = sum === 0 ? (exact[tap] as number) : (exact[tap] as number) / sum;
      weights[i * stride + tap] = Math.trunc(share * (1 << weightBits) + (share < 0 ? -0.5 : 0.5));
    }
    firsts[i] = first;
    counts[i] = count;
  }
  return { firsts, counts, weights, stride };
}

function lanczos(x: number): number {
  return x >= -lobes && x < lobes ? sinc(x) * sinc(x / lobes) : 0;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = x * Math.PI;
  return Math.sin(angle) / angle;
}

/** Horizontal pass. `first` is the column of the image that the rows begin with. */
function resampleRows(
  data: Uint8Array,
  { width, height, first }: { width: number; height: number; first: number },
  axis: AxisWeights,
): Uint8Array {
  const { firsts, counts, weights, stride } = axis;
  const outWidth = firsts.length;
  const out = new Uint8ClampedArray(outWidth * height * 3);
  let outAt = 0;
  for (let row = 0; row < height; row++) {
    const rowAt = (row * width - first) * 3;
    for (let x = 0; x < outWidth; x++) {
      let at = rowAt + (firsts[x] as number) * 3;
      let weightAt = x * stride;
      const weightEnd = weightAt + (counts[x] as number);
      let red = half;
      let green = half;
      let blue = half;
      for (; weightAt < weightEnd; weightAt++, at += 3) {
        const weight = weights[weightAt] as number;
        red = (red + Math.imul(data[at] as number, weight)) | 0;
        green = (green + Math.imul(data[at + 1] as number, weight)) | 0;
        blue = (blue + Math.imul(data[at + 2] as number, weight)) | 0;
      }
      out[outAt] = red >> weightBits;
      out[outAt + 1] = green >> weightBits;
      out[outAt + 2] = blue >> weightBits;
      outAt += 3;
    }
  }
  return new Uint8Array(out.buffer);
}

/** Vertical pass, a whole row of sums at a time. `first` is the row of the image that the data begins with. */
function resampleColumns(data: Uint8Array, rowBytes: number, first: number, axis: AxisWeights): Uint8Array {
  const { firsts, counts, weights, stride } = axis;
  const height = firsts.length;
  const out = new Uint8ClampedArray(rowBytes * height);
  const sums = new Int32Array(rowBytes);
  for (let y = 0; y < height; y++) {
    sums.fill(half);
    const weightAt = y * stride;
    const count = counts[y] as number;
    let at = ((firsts[y] as number) - first) * rowBytes;
    // Two rows at a time: half as many reads and writes of the sums.
    for (let tap = 0; tap < count; tap += 2) {
      const weight = weights[weightAt + tap] as number;
      const below = tap + 1 < count ? at + rowBytes : at;
      const weightBelow = tap + 1 < count ? (weights[weightAt + tap + 1] as number) : 0;
      for (let i = 0; i < rowBytes; i++) {
        const upper = Math.imul(data[at + i] as number, weight);
        sums[i] = ((sums[i] as number) + upper + Math.imul(data[below + i] as number, weightBelow)) | 0;
      }
      at += 2 * rowBytes;
    }
    let outAt = y * rowBytes;
    for (let i = 0; i < rowBytes; i++, outAt++) out[outAt] = (sums[i] as number) >> weightBits;
  }
  return new Uint8Array(out.buffer);
}
