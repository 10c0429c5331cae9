import { assert } from '@tercet/base';
import { ggml, type Pointer } from './ffi.js';
import type { Graph } from './graph.js';
import { elementType, type Node } from './node.js';
import { type Mapping, reserve } from './system-memory.js';

const alignment = 64;
const elementBytes: Readonly<Record<number, number>> = {
  [elementType.f32]: 4,
  [elementType.f16]: 2,
  [elementType.i32]: 4,
  [elementType.i64]: 8,
};

/** Memory that TypeScript writes before a run and the graph reads (or fills, for results that are kept). */
export class InputMemory {
  readonly #mapping: Mapping;
  readonly #buffer: Pointer;
  #used = 0;

  /** @param bytesMax address space; pages are committed when they are written */
  constructor(bytesMax: number) {
    this.#mapping = reserve(bytesMax);
    this.#buffer = ggml().ggml_backend_cpu_buffer_from_ptr(this.#mapping.address, bytesMax) as Pointer;
  }

  /** A tensor of the graph, at memory that stays until `reset`, and its bytes. */
  tensor(graph: Graph, type: number, shape: readonly number[]): { node: Node; bytes: Uint8Array } {
    const size = shape.reduce((product, n) => product * n, elementBytes[type] ?? 0);
    assert(size > 0 && this.#used + size <= this.#mapping.bytes, 'input memory is large enough', { size });
    const offset = this.#used;
    this.#used = Math.ceil((offset + size) / alignment) * alignment;
    const node = graph.input(type, shape, this.#buffer, this.#mapping.address + offset);
    return { node, bytes: new Uint8Array(this.#mapping.view, offset, size) };
  }

  int32(graph: Graph, count: number): { node: Node; values: Int32Array } {
    const { node, bytes } = this.tensor(graph, elementType.i32, [count]);
    return { node, values: new Int32Array(bytes.buffer, bytes.byteOffset, count) };
  }

  int64(graph: Graph, count: number): { node: Node; values: BigInt64Array } {
    const { node, bytes } = this.tensor(graph, elementType.i64, [count]);
    return { node, values: new BigInt64Array(bytes.buffer, bytes.byteOffset, count) };
  }

  float16(graph: Graph, shape: readonly number[]): { node: Node; values: Uint16Array } {
    const { node, bytes } = this.tensor(graph, elementType.f16, shape);
    return { node, values: new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2) };
  }

  float32(graph: Graph, shape: readonly number[]): { node: Node; values: Float32Array } {
    const { node, bytes } = this.tensor(graph, elementType.f32, shape);
    return { node, values: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4) };
  }

  /** Forgets all tensors; graphs that used them must not run again. */
  reset(): void {
    this.#used = 0;
  }

  free(): void {
    ggml().ggml_backend_buffer_free(this.#buffer);
    this.#mapping.free();
  }
}
