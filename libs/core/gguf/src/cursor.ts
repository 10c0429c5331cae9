import { TercetError } from '@tercet/contracts';
import type { ByteSource, GgufValue } from './types.js';

const windowBytes = 65_536;
const stringBytesMax = 16 * 2 ** 20;
const arrayLengthMax = 4 * 2 ** 20;
const nestingMax = 4;
/** Bytes of the fixed-size metadata types by their number; 8 is text, 9 an array. */
const valueBytes = new Map([
  [0, 1],
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 4],
  [5, 4],
  [6, 4],
  [7, 1],
  [10, 8],
  [11, 8],
  [12, 8],
]);

/** Reads a file front to back in windows; refuses every length that the rest of the file cannot hold. */
export class Cursor {
  offset = 0;
  readonly #source: ByteSource;
  readonly #text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #window: DataView = new DataView(new ArrayBuffer(0));
  #windowStart = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  uint32(): number {
    return this.#take(4, (view, at) => view.getUint32(at, true));
  }

  /** An unsigned 64-bit number that fits a JavaScript number. @throws model_file_invalid otherwise */
  uint64(): number {
    const value = this.#take(8, (view, at) => view.getBigUint64(at, true));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#invalid('number is too large');
    return Number(value);
  }

  /** A count of things that take at least a byte each. */
  count(max: number): number {
    const value = this.uint64();
    if (value > max || value > this.#source.size - this.offset) throw this.#invalid('count cannot be', value);
    return value;
  }

  string(bytesMax = stringBytesMax): string {
    const length = this.uint64();
    if (length > bytesMax || length > this.#source.size - this.offset) throw this.#invalid('text is too long', length);
    const bytes = this.#source.read(this.offset, length);
    this.offset += length;
    try {
      return this.#text.decode(bytes);
    } catch (cause) {
      throw new TercetError('model_file_invalid', { reason: 'text is not UTF-8', offset: this.offset }, { cause });
    }
  }

  value(type: number, depth = 0): GgufValue {
    if (type === 8) return this.string();
    if (type === 9) return this.#array(depth);
    const bytes = valueBytes.get(type);
    if (bytes === undefined) throw this.#invalid('unknown value type', type);
    return this.#take(bytes, (view, at) => fixed(view, at, type));
  }

  #array(depth: number): GgufValue[] {
    if (depth >= nestingMax) throw this.#invalid('arrays nest too deep');
    const type = this.uint32();
    const length = this.count(arrayLengthMax);
    const values: GgufValue[] = [];
    for (let i = 0; i < length; i++) values.push(this.value(type, depth + 1));
    return values;
  }

  #take<T>(bytes: number, get: (view: DataView, at: number) => T): T {
    if (this.offset + bytes > this.#source.size) throw this.#invalid('the file ends early');
    const inside = this.offset - this.#windowStart;
    if (inside + bytes > this.#window.byteLength) {
      const chunk = this.#source.read(this.offset, Math.min(windowBytes, this.#source.size - this.offset));
      this.#window = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      this.#windowStart = this.offset;
    }
    const value = get(this.#window, this.offset - this.#windowStart);
    this.offset += bytes;
    return value;
  }

  #invalid(reason: string, value?: number): TercetError {
    return new TercetError('model_file_invalid', { reason, value, offset: this.offset });
  }
}

function fixed(view: DataView, at: number, type: number): number | bigint | boolean {
  switch (type) {
    case 0:
      return view.getUint8(at);
    case 1:
      return view.getInt8(at);
    case 2:
      return view.getUint16(at, true);
    case 3:
      return view.getInt16(at, true);
    case 4:
      return view.getUint32(at, true);
    case 5:
      return view.getInt32(at, true);
    case 6:
      return view.getFloat32(at, true);
    case 7:
      return view.getUint8(at) !== 0;
    case 10:
      return narrow(view.getBigUint64(at, true));
    case 11:
      return narrow(view.getBigInt64(at, true));
    default:
      return view.getFloat64(at, true);
  }
}

/** A number where it is exact, else a bigint. */
function narrow(value: bigint): number | bigint {
  const exact = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
  return exact ? Number(value) : value;
}
