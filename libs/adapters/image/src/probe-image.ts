import { TercetError } from '@tercet/contracts';
import { exifOrientation, type Orientation } from './exif-orientation.js';
import { readGif } from './gif.js';

export type ImageType = 'png' | 'jpeg' | 'webp' | 'gif';

export interface ProbedImage {
  readonly type: ImageType;
  /** Size as shown: width and height are swapped where the orientation turns the image by a quarter. */
  readonly width: number;
  readonly height: number;
  readonly orientation: Orientation;
}

export interface ProbeLimits {
  readonly bytesMax: number;
  readonly pixelsMax: number;
  /** Longest width or height, pixels. */
  readonly edgeMax: number;
}

/** Size as stored, and where the EXIF data is. */
interface Header {
  readonly width: number;
  readonly height: number;
  readonly exif?: Uint8Array;
}

/**
 * Type, size and orientation of an image file from its header; pixels are not decoded, so that a file which claims a
 * hundred megapixels costs nothing.
 * @throws media_type_unsupported, media_invalid, media_too_large
 */
export function probeImage(bytes: Uint8Array, limits: ProbeLimits): ProbedImage {
  const { bytesMax, pixelsMax, edgeMax } = limits;
  if (bytes.length > bytesMax) throw new TercetError('media_too_large', { bytes: bytes.length, bytesMax });
  const type = typeOf(bytes);
  const header = readHeader(type, bytes);
  if (header === undefined || header.width < 1 || header.height < 1) {
    throw new TercetError('media_invalid', { type, bytes: bytes.length, reason: 'the header is damaged' });
  }
  const { width, height, exif } = header;
  if (width * height > pixelsMax || Math.max(width, height) > edgeMax) {
    throw new TercetError('media_too_large', { type, width, height, pixelsMax, edgeMax });
  }
  const orientation = exif === undefined ? 1 : exifOrientation(exif);
  return orientation < 5 ? { type, width, height, orientation } : { type, width: height, height: width, orientation };
}

function typeOf(bytes: Uint8Array): ImageType {
  if (bytes.length === 0) throw new TercetError('media_invalid', { bytes: 0, reason: 'the file is empty' });
  if (startsWith(bytes, '\x89PNG\r\n\x1a\n')) return 'png';
  if (startsWith(bytes, '\xff\xd8\xff')) return 'jpeg';
  if (startsWith(bytes, 'RIFF') && startsWith(bytes, 'WEBP', 8)) return 'webp';
  if (startsWith(bytes, 'GIF87a') || startsWith(bytes, 'GIF89a')) return 'gif';
  throw new TercetError('media_type_unsupported', { looksLike: looksLike(bytes), supported: 'png, jpeg, webp, gif' });
}

/** A word for the message only: what people send most often instead of an image. */
function looksLike(bytes: Uint8Array): string {
  if (startsWith(bytes, 'ftyp', 4)) return 'a HEIF, AVIF or MP4 file';
  if (startsWith(bytes, 'II*\0') || startsWith(bytes, 'MM\0*')) return 'a TIFF file';
  if (startsWith(bytes, 'BM')) return 'a BMP file';
  if (startsWith(bytes, '%PDF')) return 'a PDF file';
  const head = latin1(bytes, 0, Math.min(bytes.length, 256)).trimStart();
  if (head.startsWith('<') || head.startsWith('\xef\xbb\xbf<')) return 'a page of HTML, XML or SVG';
  return head.startsWith('{') ? 'JSON' : 'an unknown type';
}

function readHeader(type: ImageType, bytes: Uint8Array): Header | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case 'png':
      return readPng(view);
    case 'jpeg':
      return readJpeg(view);
    case 'webp':
      return readWebp(view);
    case 'gif':
      return readGif(bytes);
  }
}

/** @see W3C, 2025, "Portable Network Graphics (PNG) Specification (Third Edition)", sections 5.3 and 11.2.1 */
function readPng(view: DataView): Header | undefined {
  if (view.byteLength < 33 || fourCc(view, 12) !== 'IHDR') return undefined;
  const size = { width: view.getUint32(16), height: view.getUint32(20) };
  for (let at = 33; at + 12 <= view.byteLength; ) {
    const length = view.getUint32(at);
    if (fourCc(view, at + 4) === 'eXIf') return { ...size, exif: bytesAt(view, at + 8, length) };
    at += 12 + length;
  }
  return size;
}

/** @see ITU-T T.81, 1992, annex B: segments up to the frame header */
function readJpeg(view: DataView): Header | undefined {
  let exif: Uint8Array | undefined;
  for (let at = 2; at + 4 <= view.byteLength; ) {
    if (view.getUint8(at) !== 0xff) {
      at++;
      continue;
    }
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker === 0x00 || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    if (marker === 0xd9 || marker === 0xda) return undefined;
    const length = view.getUint16(at + 2);
    if (isFrameHeader(marker)) {
      if (at + 9 > view.byteLength) return undefined;
      const size = { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
      return exif === undefined ? size : { ...size, exif };
    }
    if (marker === 0xe1 && exif === undefined && length > 8 && at + 10 <= view.byteLength) {
      if (fourCc(view, at + 4) === 'Exif') exif = bytesAt(view, at + 10, length - 8);
    }
    at += 2 + length;
  }
  return undefined;
}

/** SOF0 to SOF15 without DHT, JPG and DAC, which share their range. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** @see RFC 9649, 2024, "WebP Image Format", section 2 */
function readWebp(view: DataView): Header | undefined {
  let size: { width: number; height: number } | undefined;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const chunk = fourCc(view, at);
    const length = view.getUint32(at + 4, true);
    const body = at + 8;
    if (size === undefined) {
      size = webpSize(view, chunk, body);
      if (size === undefined || chunk !== 'VP8X') return size;
    }
    if (chunk === 'EXIF') return { ...size, exif: bytesAt(view, body, length) };
    at = body + length + (length % 2);
  }
  return size;
}

function webpSize(view: DataView, chunk: string, body: number): { width: number; height: number } | undefined {
  if (body + 10 > view.byteLength) return undefined;
  switch (chunk) {
    case 'VP8X':
      return { width: 1 + uint24(view, body + 4), height: 1 + uint24(view, body + 7) };
    case 'VP8L': {
      if (view.getUint8(body) !== 0x2f) return undefined;
      const bits = view.getUint32(body + 1, true);
      return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
    }
    case 'VP8 ': {
      if (uint24(view, body + 3) !== 0x2a019d) return undefined;
      return { width: view.getUint16(body + 6, true) & 0x3fff, height: view.getUint16(body + 8, true) & 0x3fff };
    }
    default:
      return undefined;
  }
}

function uint24(view: DataView, at: number): number {
  return view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
}

function fourCc(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}

function bytesAt(view: DataView, at: number, length: number): Uint8Array {
  const end = Math.min(at + length, view.byteLength);
  return new Uint8Array(view.buffer, view.byteOffset + at, Math.max(0, end - at));
}

function startsWith(bytes: Uint8Array, text: string, at = 0): boolean {
  return bytes.length >= at + text.length && latin1(bytes, at, text.length) === text;
}

function latin1(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}
