import type { GgufValue } from './types.js';

export interface GgufContent {
  readonly metadata: Readonly<Record<string, GgufValue>>;
  readonly tensors: readonly GgufWeights[];
}

export interface GgufWeights {
  readonly name: string;
  /** Fastest dimension first. */
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const alignment = 32;
const type = { uint32: 4, float32: 6, bool: 7, string: 8, array: 9 } as const;

/**
 * The bytes of a small GGUF file (version 3) with float32 tensors, for tests and for models made in place. Whole
 * numbers are written as uint32, others as float32; an array is written by the type of its first value.
 */
export function writeGguf({ metadata, tensors }: GgufContent): Uint8Array {
  const head = new Writer();
  head.bytes(new TextEncoder().encode('GGUF'));
  head.uint32(3);
  head.uint64(tensors.length);
  head.uint64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    head.string(key);
    head.uint32(typeOf(value));
    head.value(value);
  }
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    head.string(name);
    head.uint32(shape.length);
    for (const n of shape) head.uint64(n);
    head.uint32(0);
    head.uint64(offset);
    offset += padded(values.byteLength);
  }
  head.pad();
  for (const { values } of tensors) {
    head.bytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    head.pad();
  }
  return head.done();
}

class Writer {
  #parts: Uint8Array[] = [];
  #length = 0;

  bytes(part: Uint8Array): void {
    this.#parts.push(part);
    this.#length += part.length;
  }

  uint32(value: number): void {
    this.#fixed(4, (view) => view.setUint32(0, value, true));
  }

  uint64(value: number): void {
    this.#fixed(8, (view) => view.setBigUint64(0, BigInt(value), true));
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.uint64(bytes.length);
    this.bytes(bytes);
  }

  value(value: GgufValue): void {
    if (typeof value === 'string') this.string(value);
    else if (typeof value === 'boolean') this.bytes(Uint8Array.of(value ? 1 : 0));
    else if (typeof value === 'object') {
      this.uint32(value.length === 0 ? type.uint32 : typeOf(value[0] as GgufValue));
      this.uint64(value.length);
      for (const item of value) this.value(item);
    } else if (typeOf(value) === type.uint32) this.uint32(Number(value));
    else this.#fixed(4, (view) => view.setFloat32(0, Number(value), true));
  }

  pad(): void {
    this.bytes(new Uint8Array(padded(this.#length) - this.#length));
  }

  done(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  #fixed(bytes: number, set: (view: DataView) => void): void {
    const view = new DataView(new ArrayBuffer(bytes));
    set(view);
    this.bytes(new Uint8Array(view.buffer));
  }
}

function typeOf(value: GgufValue): number {
  if (typeof value === 'string') return type.string;
  if (typeof value === 'boolean') return type.bool;
  if (typeof value === 'object') return type.array;
  return Number.isInteger(Number(value)) ? type.uint32 : type.float32;
}

function padded(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
