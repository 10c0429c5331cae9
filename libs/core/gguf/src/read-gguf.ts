import { TercetError } from '@tercet/contracts';
import { Cursor } from './cursor.js';
import { type ByteSource, type GgufTensor, type GgufValue, ggmlTypes } from './types.js';

const limits = { metadataCount: 65_536, tensorCount: 65_536, nameBytes: 1_024 };

/** A parsed model file: metadata by key, tensors by name. Nothing of the weights was read. */
export class Gguf {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;

  constructor(metadata: ReadonlyMap<string, GgufValue>, tensors: ReadonlyMap<string, GgufTensor>) {
    this.metadata = metadata;
    this.tensors = tensors;
  }

  /** @throws model_file_invalid when the key is absent or not text */
  requireString(key: string): string {
    const value = this.metadata.get(key);
    if (typeof value !== 'string') throw invalid('missing text', { key });
    return value;
  }

  /** @throws model_file_invalid when the key is absent or not a number */
  requireNumber(key: string): number {
    const value = this.metadata.get(key);
    if (typeof value !== 'number') throw invalid('missing number', { key });
    return value;
  }

  /** A whole number of 1 to `max`. @throws model_file_invalid when the key is absent or anything else */
  requireCount(key: string, max: number): number {
    const value = this.requireNumber(key);
    if (!Number.isInteger(value) || value < 1 || value > max) throw invalid('count cannot be', { key, value, max });
    return value;
  }

  /** As {@link requireCount}, with a value for an absent key. */
  countOr(key: string, fallback: number, max: number): number {
    return this.metadata.has(key) ? this.requireCount(key, max) : fallback;
  }

  /** A finite number greater than 0, or the fallback for an absent key. @throws model_file_invalid for anything else */
  positiveOr(key: string, fallback: number): number {
    const value = this.metadata.has(key) ? this.requireNumber(key) : fallback;
    if (!Number.isFinite(value) || value <= 0) throw invalid('number must be positive', { key, value });
    return value;
  }

  numberOr(key: string, fallback: number): number {
    const value = this.metadata.get(key);
    return typeof value === 'number' ? value : fallback;
  }

  booleanOr(key: string, fallback: boolean): boolean {
    const value = this.metadata.get(key);
    return typeof value === 'boolean' ? value : fallback;
  }

  stringOr(key: string, fallback: string): string {
    const value = this.metadata.get(key);
    return typeof value === 'string' ? value : fallback;
  }

  /** @throws model_file_invalid when the key is absent or not an array */
  requireArray(key: string): readonly GgufValue[] {
    const value = this.metadata.get(key);
    if (!Array.isArray(value)) throw invalid('missing array', { key });
    return value;
  }
}

/**
 * Reads header, metadata and tensor table of a GGUF file (versions 2 and 3, little endian) and checks that every tensor
 * lies inside the file, aligned and without overlap.
 * @throws model_file_invalid for anything that the format does not allow; never reads outside the source
 * @see GGUF specification, ggml repository, docs/gguf.md
 */
export function readGguf(source: ByteSource): Gguf {
  const cursor = new Cursor(source);
  if (cursor.uint32() !== 0x46554747) throw invalid('not a GGUF file');
  const version = cursor.uint32();
  if (version !== 2 && version !== 3) throw invalid('unknown version', { version });
  const tensorCount = cursor.count(limits.tensorCount);
  const metadataCount = cursor.count(limits.metadataCount);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < metadataCount; i++) {
    const key = cursor.string(limits.nameBytes);
    if (metadata.has(key)) throw invalid('key stands twice', { key });
    metadata.set(key, cursor.value(cursor.uint32()));
  }
  const headers = Array.from({ length: tensorCount }, () => tensorHeader(cursor));
  return new Gguf(metadata, placeTensors(headers, alignmentOf(metadata), cursor.offset, source.size));
}

type TensorHeader = { name: string; type: number; shape: number[]; relative: number };

function tensorHeader(cursor: Cursor): TensorHeader {
  const name = cursor.string(limits.nameBytes);
  const rank = cursor.uint32();
  if (rank < 1 || rank > 4) throw invalid('rank must be 1 to 4', { name, rank });
  const shape = Array.from({ length: rank }, () => cursor.uint64());
  return { name, shape, type: cursor.uint32(), relative: cursor.uint64() };
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || alignment < 8 || alignment > 65_536 || (alignment & (alignment - 1)) !== 0) {
    throw invalid('alignment must be a power of two from 8');
  }
  return alignment;
}

function placeTensors(
  headers: readonly TensorHeader[],
  alignment: number,
  headerEnd: number,
  fileSize: number,
): Map<string, GgufTensor> {
  const dataStart = Math.ceil(headerEnd / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const { name, type, shape, relative } of headers) {
    if (tensors.has(name)) throw invalid('tensor stands twice', { name });
    if (relative % alignment !== 0) throw invalid('tensor is not aligned', { name });
    const offset = dataStart + relative;
    const bytes = tensorBytes(name, type, shape);
    if (offset + bytes > fileSize) throw invalid('tensor ends behind the file', { name, offset, bytes, fileSize });
    tensors.set(name, { name, type, shape, offset, bytes });
  }
  refuseOverlap([...tensors.values()]);
  return tensors;
}

function tensorBytes(name: string, type: number, shape: readonly number[]): number {
  const element = ggmlTypes.get(type);
  if (element === undefined) throw invalid('unknown element type', { name, type });
  const [width = 0] = shape;
  if (shape.some((n) => n < 1) || width % element.blockSize !== 0) throw invalid('bad shape', { name });
  const elements = shape.reduce((product, n) => product * n, 1);
  if (elements > 2 ** 46) throw invalid('tensor is too large', { name });
  return (elements / element.blockSize) * element.blockBytes;
}

function refuseOverlap(tensors: GgufTensor[]): void {
  tensors.sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < tensors.length; i++) {
    const before = tensors[i - 1] as GgufTensor;
    const here = tensors[i] as GgufTensor;
    if (before.offset + before.bytes > here.offset) throw invalid('tensors overlap', { name: here.name });
  }
}

function invalid(reason: string, details: Record<string, string | number> = {}): TercetError {
  return new TercetError('model_file_invalid', { reason, ...details });
}
