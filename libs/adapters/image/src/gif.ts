/**
 * The first frame of a GIF, as the reference shows it: colours of the palette even where the frame is clear, and around
 * a frame that is smaller than the canvas the clear colour, or else colour 0. Our own reader, because others drop the
 * colours under transparency.
 * @see CompuServe, 1990, "Graphics Interchange Format, Version 89a", appendices A and F
 */

export interface GifFrame {
  /** Of the canvas, which grows where the first frame reaches over it. */
  readonly width: number;
  readonly height: number;
  readonly frame: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  readonly isInterlaced: boolean;
  /** 3 bytes a colour. */
  readonly palette: Uint8Array;
  readonly clearIndex: number | undefined;
  /** Where the code size and the blocks of codes begin. */
  readonly dataAt: number;
}

const codeBitsMax = 12;
const imageSeparator = 0x2c;
const extensionIntroducer = 0x21;
const graphicControl = 0xf9;

/** Everything up to the first frame's pixels; undefined where the file is damaged or has no frame. */
export function readGif(bytes: Uint8Array): GifFrame | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 13) return undefined;
  const canvasFlags = view.getUint8(10);
  let palette = paletteAt(bytes, 13, canvasFlags);
  let clearIndex: number | undefined;
  for (let at = 13 + palette.length; at < bytes.length; ) {
    const block = bytes[at];
    if (block === imageSeparator) {
      if (at + 10 > bytes.length) return undefined;
      const frame = {
        x: view.getUint16(at + 1, true),
        y: view.getUint16(at + 3, true),
        width: view.getUint16(at + 5, true),
        height: view.getUint16(at + 7, true),
      };
      if (frame.width === 0 || frame.height === 0) return undefined;
      const flags = view.getUint8(at + 9);
      const own = paletteAt(bytes, at + 10, flags);
      if (own.length > 0) palette = own;
      const width = Math.max(view.getUint16(6, true), frame.x + frame.width);
      const height = Math.max(view.getUint16(8, true), frame.y + frame.height);
      const isInterlaced = (flags & 0x40) !== 0;
      return { width, height, frame, isInterlaced, palette, clearIndex, dataAt: at + 10 + own.length };
    }
    if (block !== extensionIntroducer) return undefined;
    if (bytes[at + 1] === graphicControl && bytes[at + 2] === 4) {
      clearIndex = ((bytes[at + 3] ?? 0) & 1) === 1 ? bytes[at + 6] : undefined;
    }
    at = endOfBlocks(bytes, at + 2);
  }
  return undefined;
}

/**
 * Red, green and blue of the canvas.
 * @throws Error where the codes are damaged or end early
 */
export function decodeGif(bytes: Uint8Array, gif: GifFrame): Uint8Array {
  const { width, height, frame, palette, clearIndex, isInterlaced } = gif;
  const colours = new Uint8Array(256 * 3);
  for (let i = 0; i < colours.length; i++) colours[i] = i < palette.length ? (palette[i] as number) : Math.floor(i / 3);
  const out = new Uint8Array(width * height * 3);
  const rest = colours.subarray((clearIndex ?? 0) * 3, (clearIndex ?? 0) * 3 + 3);
  for (let i = 0; i < out.length; i += 3) out.set(rest, i);
  const indices = decodeCodes(bytes, gif.dataAt, frame.width * frame.height);
  const rows = rowOrder(frame.height, isInterlaced);
  for (let i = 0, from = 0; i < rows.length; i++) {
    let to = ((frame.y + (rows[i] as number)) * width + frame.x) * 3;
    for (let x = 0; x < frame.width; x++, to += 3) {
      const colour = (indices[from++] as number) * 3;
      out[to] = colours[colour] as number;
      out[to + 1] = colours[colour + 1] as number;
      out[to + 2] = colours[colour + 2] as number;
    }
  }
  return out;
}

/** Variable-length LZW. A string is its last byte and the string before; it is written from its end. */
function decodeCodes(bytes: Uint8Array, at: number, count: number): Uint8Array {
  const literalBits = bytes[at] ?? 0;
  if (literalBits < 1 || literalBits > 8) throw new Error('the GIF has a bad code size');
  const clear = 1 << literalBits;
  const end = clear + 1;
  const before = new Uint16Array(1 << codeBitsMax);
  const lasts = new Uint8Array(1 << codeBitsMax);
  const lengths = new Uint16Array(1 << codeBitsMax);
  for (let code = 0; code < clear; code++) {
    lasts[code] = code;
    lengths[code] = 1;
  }
  const codes = codeReader(bytes, at + 1);
  const out = new Uint8Array(count);
  let done = 0;
  let bits = literalBits + 1;
  let next = end + 1;
  let previous = -1;
  while (done < count) {
    const code = codes(bits);
    if (code === clear) {
      bits = literalBits + 1;
      next = end + 1;
      previous = -1;
      continue;
    }
    if (code < 0 || code === end) throw new Error('the GIF ends early');
    const isNew = code === next && previous >= 0;
    if (!isNew && (code > next || code === next || (previous < 0 && code >= clear))) {
      throw new Error('the GIF has a bad code');
    }
    const source = isNew ? previous : code;
    const length = lengths[source] as number;
    let symbol = source;
    for (let place = done + length - 1; place > done; place--) {
      if (place < count) out[place] = lasts[symbol] as number;
      symbol = before[symbol] as number;
    }
    const first = lasts[symbol] as number;
    out[done] = first;
    done += length;
    if (isNew && done < count) out[done] = first;
    if (isNew) done++;
    if (previous >= 0 && next < 1 << codeBitsMax) {
      before[next] = previous;
      lasts[next] = first;
      lengths[next] = (lengths[previous] as number) + 1;
      next++;
      if (next === 1 << bits && bits < codeBitsMax) bits++;
    }
    previous = code;
  }
  return out;
}

/** Codes out of blocks of up to 255 bytes, lowest bit first; −1 at the end of the last one. */
function codeReader(bytes: Uint8Array, start: number): (bits: number) => number {
  let at = start;
  let left = 0;
  let buffer = 0;
  let buffered = 0;
  return (bits) => {
    while (buffered < bits) {
      if (left === 0) {
        left = bytes[at++] ?? 0;
        if (left === 0) return -1;
      }
      if (at >= bytes.length) return -1;
      buffer |= (bytes[at++] as number) << buffered;
      buffered += 8;
      left--;
    }
    const code = buffer & ((1 << bits) - 1);
    buffer >>>= bits;
    buffered -= bits;
    return code;
  };
}

/** Rows in the order in which they are stored. */
function rowOrder(height: number, isInterlaced: boolean): number[] {
  const passes = isInterlaced
    ? [[0, 8] as const, [4, 8] as const, [2, 4] as const, [1, 2] as const]
    : [[0, 1] as const];
  const rows: number[] = [];
  for (const [first, step] of passes) for (let row = first; row < height; row += step) rows.push(row);
  return rows;
}

function paletteAt(bytes: Uint8Array, at: number, flags: number): Uint8Array {
  const length = (flags & 0x80) === 0 ? 0 : 3 * (2 << (flags & 7));
  return bytes.subarray(at, at + length);
}

function endOfBlocks(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at] !== 0) at += 1 + (bytes[at] as number);
  return at + 1;
}
