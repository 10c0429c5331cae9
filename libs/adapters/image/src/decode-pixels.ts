import sharp from 'sharp';
import type { Orientation } from './exif-orientation.js';
import { decodeGif, readGif } from './gif.js';
import type { RgbRegion, Size } from './lanczos.js';
import type { ImageType } from './probe-image.js';

/** What the header promised; a file that decodes to another size is damaged. */
export interface DecodeSpec {
  readonly type: ImageType;
  /** Size as shown. */
  readonly width: number;
  readonly height: number;
  readonly orientation: Orientation;
  /** A file that takes longer to decode is refused. */
  readonly secondsMax: number;
}

// Decoders of still images run on one thread; stages share the machine's cores by grants, not behind their back.
sharp.concurrency(1);
sharp.cache(false);
// Only what the probe knows may be read, so that no other reader of the library can be reached with a crafted file, and
// a photo with a gain map for bright screens is read as the JPEG that it also is.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer', 'VipsForeignLoadWebpBuffer'],
});

/** A progressive JPEG has about ten scans; each one costs a pass over all pixels, whatever its length. */
const scansMax = 128;

/**
 * Red, green and blue of an image file as the reference reads them: the first frame, colours under transparency as
 * stored, colour profiles ignored, CMYK without a profile, turned as EXIF says. Grey of 16 bits keeps its high byte,
 * where the reference makes everything above 255 white.
 */
export async function decodePixels(file: Uint8Array, spec: DecodeSpec): Promise<RgbRegion> {
  const { type, width, height, orientation } = spec;
  const turned = orientation >= 5;
  const stored = turned ? { width: height, height: width } : { width, height };
  if (type === 'jpeg') checkScans(file);
  const rgb = type === 'gif' ? gifToRgb(file) : await fileToRgb(file, stored, spec.secondsMax);
  const whole = { x: 0, y: 0, width, height, imageWidth: width, imageHeight: height };
  return { ...whole, data: turnPixels(rgb, stored, orientation) };
}

function checkScans(file: Uint8Array): void {
  let scans = 0;
  for (let at = file.indexOf(0xff); at >= 0 && scans <= scansMax; at = file.indexOf(0xff, at + 1)) {
    if (file[at + 1] === 0xda) scans++;
  }
  if (scans > scansMax) throw new Error(`the JPEG has more than ${scansMax} scans`);
}

function gifToRgb(file: Uint8Array): Uint8Array {
  const gif = readGif(file);
  if (gif === undefined) throw new Error('the header is damaged');
  return decodeGif(file, gif);
}

async function fileToRgb(file: Uint8Array, size: Size, secondsMax: number): Promise<Uint8Array> {
  const { width, height } = size;
  const input = sharp(file, { ignoreIcc: true, failOn: 'error', limitInputPixels: width * height, pages: 1 });
  const { space } = await input.metadata();
  const isCmyk = space === 'cmyk';
  const plain = isCmyk ? input.pipelineColourspace('cmyk').toColourspace('cmyk') : input.toColourspace('srgb');
  const { data, info } = await plain.timeout({ seconds: secondsMax }).raw().toBuffer({ resolveWithObject: true });
  if (info.width !== width || info.height !== height) {
    throw new Error(`the header says ${width} x ${height}, the pixels say ${info.width} x ${info.height}`);
  }
  return isCmyk ? cmykToRgb(data) : threeChannels(data, info.channels);
}

function threeChannels(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  const pixels = data.length / channels;
  const out = new Uint8Array(pixels * 3);
  const isGrey = channels < 3;
  for (let i = 0, from = 0, to = 0; i < pixels; i++, from += channels, to += 3) {
    out[to] = data[from] as number;
    out[to + 1] = data[isGrey ? from : from + 1] as number;
    out[to + 2] = data[isGrey ? from : from + 2] as number;
  }
  return out;
}

/** Ink over white: (255 − key) · (255 − ink) / 255, rounded as in the reference. */
function cmykToRgb(data: Uint8Array): Uint8Array {
  const out = new Uint8ClampedArray((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    const light = 255 - (data[from + 3] as number);
    for (let channel = 0; channel < 3; channel++) {
      const product = (data[from + channel] as number) * light + 128;
      out[to + channel] = light - (((product >> 8) + product) >> 8);
    }
  }
  return new Uint8Array(out.buffer);
}

/** Stored pixels → shown pixels. `size` is the stored one. */
export function turnPixels(rgb: Uint8Array, size: Size, orientation: Orientation): Uint8Array {
  if (orientation === 1) return rgb;
  const { width, height } = size;
  const out = new Uint8Array(rgb.length);
  const outWidth = orientation >= 5 ? height : width;
  const right = width - 1;
  const bottom = height - 1;
  for (let y = 0, from = 0; y < height; y++) {
    for (let x = 0; x < width; x++, from += 3) {
      let column = x;
      let row = y;
      switch (orientation) {
        case 2:
          column = right - x;
          break;
        case 3:
          column = right - x;
          row = bottom - y;
          break;
        case 4:
          row = bottom - y;
          break;
        case 5:
          column = y;
          row = x;
          break;
        case 6:
          column = bottom - y;
          row = x;
          break;
        case 7:
          column = bottom - y;
          row = right - x;
          break;
        case 8:
          column = y;
          row = right - x;
          break;
      }
      const to = (row * outWidth + column) * 3;
      out[to] = rgb[from] as number;
      out[to + 1] = rgb[from + 1] as number;
      out[to + 2] = rgb[from + 2] as number;
    }
  }
  return out;
}
