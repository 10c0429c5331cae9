import { assert } from '@tercet/base';
import { type ByteSource, type Gguf, readGguf } from '@tercet/gguf';
import { ggml, type Pointer } from './ffi.js';
import type { Node } from './node.js';
import { type Mapping, mapFile } from './system-memory.js';

/** Where a graph finds its weights. */
export interface WeightSource {
  get(name: string): Node | undefined;
}

/** The tensors of one model file, in place: the file is mapped, nothing is copied. */
export class Weights implements WeightSource {
  readonly gguf: Gguf;
  readonly bytes: number;
  readonly #mapping: Mapping;
  readonly #context: Pointer;
  readonly #buffer: Pointer;
  readonly #nodes = new Map<string, Node>();

  private constructor(mapping: Mapping, gguf: Gguf) {
    const g = ggml();
    this.#mapping = mapping;
    this.gguf = gguf;
    this.bytes = mapping.bytes;
    const overhead = Number(g.ggml_tensor_overhead());
    const size = overhead * (gguf.tensors.size + 1);
    this.#context = g.ggml_init({ mem_size: size, mem_buffer: 0, no_alloc: true }) as Pointer;
    this.#buffer = g.ggml_backend_cpu_buffer_from_ptr(mapping.address, mapping.bytes) as Pointer;
    for (const tensor of gguf.tensors.values()) {
      const [a = 1, b = 1, c = 1, d = 1] = tensor.shape;
      const pointer = g.ggml_new_tensor_4d(this.#context, tensor.type, a, b, c, d) as Pointer;
      g.ggml_backend_tensor_alloc(this.#buffer, pointer, mapping.address + tensor.offset);
      this.#nodes.set(tensor.name, { pointer, type: tensor.type, shape: [a, b, c, d], contiguous: true });
    }
  }

  /** @throws model_file_missing, model_file_invalid */
  static open(path: string): Weights {
    const mapping = mapFile(path);
    try {
      return new Weights(mapping, readGguf(bytesOf(mapping)));
    } catch (error) {
      mapping.free();
      throw error;
    }
  }

  get(name: string): Node | undefined {
    return this.#nodes.get(name);
  }

  /** Where a tensor of the file lies in memory. */
  locate(name: string): { address: Pointer; bytes: number } {
    const tensor = this.gguf.tensors.get(name);
    assert(tensor !== undefined, 'a tensor of the file', { name });
    return { address: this.#mapping.address + tensor.offset, bytes: tensor.bytes };
  }

  /** The whole file, for digests. */
  get view(): Uint8Array {
    return new Uint8Array(this.#mapping.view);
  }

  close(): void {
    const g = ggml();
    g.ggml_backend_buffer_free(this.#buffer);
    g.ggml_free(this.#context);
    this.#mapping.free();
  }
}

function bytesOf(mapping: Mapping): ByteSource {
  return { size: mapping.bytes, read: (offset, length) => new Uint8Array(mapping.view, offset, length) };
}
