import type { Compute } from './compute.js';
import { ggml, memory, type Pointer, tensorLayout } from './ffi.js';
import { elementType, isMatrixType, type Node } from './node.js';
import type { WeightSource, Weights } from './weights.js';

/** Rows of the product that ggml is asked about; any number of rows is answered alike. */
const probeRows = 512;
const pointerBytes = 8;

/**
 * Matrices of the layers in the order that ggml's kernels for many rows read fastest on this processor, and all other
 * tensors as they are in the file. Which types have such an order ggml tells itself (on x86 Q4_K, but not Q8_0). The
 * copies are this process's own memory; prompts gain a tenth to a third by them, and decoding, which waits for memory,
 * nothing, so that only a process that computes prompts makes them.
 */
export class RepackedWeights implements WeightSource {
  readonly #weights: Weights;
  readonly #context: Pointer;
  readonly #buffers: Pointer[] = [];
  readonly #nodes = new Map<string, Node>();

  constructor(weights: Weights, compute: Compute) {
    const g = ggml();
    this.#weights = weights;
    const names = [...weights.gguf.tensors.values()].filter(isLayerMatrix).map(({ name }) => name);
    const tensors = names.length * 3 + 1;
    const size = Number(g.ggml_tensor_overhead()) * tensors;
    this.#context = g.ggml_init({ mem_size: size, mem_buffer: 0, no_alloc: true }) as Pointer;
    for (const type of compute.extraBufferTypes()) this.#repack(names, type, compute);
  }

  get(name: string): Node | undefined {
    return this.#nodes.get(name) ?? this.#weights.get(name);
  }

  close(): void {
    for (const buffer of this.#buffers) ggml().ggml_backend_buffer_free(buffer);
    ggml().ggml_free(this.#context);
  }

  #repack(names: readonly string[], bufferType: Pointer, compute: Compute): void {
    const g = ggml();
    const empty = g.ggml_backend_buft_alloc_buffer(bufferType, 0) as Pointer;
    const found = names
      .filter((name) => !this.#nodes.has(name))
      .map((name) => ({ name, node: this.#like(this.#weights.get(name) as Node) }))
      .filter(({ node }) => this.#isFaster(node, empty, compute));
    g.ggml_backend_buffer_free(empty);
    if (found.length === 0) return;
    const alignment = Number(g.ggml_backend_buft_get_alignment(bufferType));
    const sizeOf = ({ node }: { node: Node }) => {
      const bytes = Number(g.ggml_backend_buft_get_alloc_size(bufferType, node.pointer));
      return Math.ceil(bytes / alignment) * alignment;
    };
    const total = found.reduce((sum, item) => sum + sizeOf(item), 0);
    const buffer = g.ggml_backend_buft_alloc_buffer(bufferType, total) as Pointer;
    this.#buffers.push(buffer);
    let address = g.ggml_backend_buffer_get_base(buffer) as Pointer;
    for (const item of found) {
      g.ggml_backend_tensor_alloc(buffer, item.node.pointer, address);
      const { address: source, bytes } = this.#weights.locate(item.name);
      g.ggml_backend_tensor_set(item.node.pointer, source, 0, bytes);
      this.#nodes.set(item.name, item.node);
      address += sizeOf(item);
    }
  }

  #like({ type, shape }: Node): Node {
    const pointer = ggml().ggml_new_tensor_4d(this.#context, type, ...shape) as Pointer;
    return { pointer, type, shape, contiguous: true };
  }

  /** Whether ggml multiplies by this matrix in memory of that kind; it looks at the tensor's buffer. */
  #isFaster(matrix: Node, empty: Pointer, compute: Compute): boolean {
    const g = ggml();
    const rows = g.ggml_new_tensor_4d(this.#context, elementType.f32, matrix.shape[0], probeRows, 1, 1) as Pointer;
    const product = g.ggml_mul_mat(this.#context, matrix.pointer, rows) as Pointer;
    const field = new DataView(memory(matrix.pointer + tensorLayout.buffer, pointerBytes));
    field.setBigInt64(0, BigInt(empty), true);
    const supported = compute.supports(product);
    field.setBigInt64(0, 0n, true);
    return supported;
  }
}

/** Matrices that whole prompts are multiplied by: tables are looked up in, and the head sees one row. */
function isLayerMatrix({ name, type, shape }: { name: string; type: number; shape: readonly number[] }): boolean {
  return name.startsWith('blk.') && isMatrixType(type) && shape.filter((n) => n > 1).length === 2;
}
