import type { DecoderShape, KvRange } from '@tercet/engine';
import { ggml, type Pointer } from './ffi.js';
import type { Graph, MovableView } from './graph.js';
import { elementType, type Node } from './node.js';
import { type Mapping, reserve } from './system-memory.js';

/** Memory that may come from elsewhere, for example shared with other processes. */
export type AllocateArena = (bytes: number) => Mapping;

/**
 * K and V of all slots and layers: one stretch of address space, pages committed on the first touch. Within a layer,
 * slots
 * are equally strided and a slot's rows are contiguous, float16, `kvHeads * headDim` values each:
 *
 *     layer 0: K [slot 0: row 0, row 1 …][slot 1 …]  V [slot 0 …]   layer 1: K …
 *
 * @see Prabhu et al. 2024, arXiv:2405.04437 (vAttention): contiguous virtual memory, physical pages on demand
 */
export class KvArena {
  readonly rowBytes: number;
  readonly slotTokens: number;
  readonly slotCount: number;
  readonly #shape: DecoderShape;
  readonly #mapping: Mapping;
  readonly #buffer: Pointer;

  constructor(options: { shape: DecoderShape; slotCount: number; slotTokens: number; allocate?: AllocateArena }) {
    const { shape, slotCount, slotTokens, allocate = reserve } = options;
    this.#shape = shape;
    this.slotCount = slotCount;
    this.slotTokens = slotTokens;
    this.rowBytes = shape.kvHeadCount * shape.headDim * 2;
    const bytes = shape.layerCount * 2 * slotCount * slotTokens * this.rowBytes;
    this.#mapping = allocate(bytes);
    this.#buffer = ggml().ggml_backend_cpu_buffer_from_ptr(this.#mapping.address, bytes) as Pointer;
  }

  /** All rows of a layer as [kvHeads * headDim, slots * slotTokens], to be written by row index. */
  rows(graph: Graph, layer: number, part: 'k' | 'v'): Node {
    const { kvHeadCount, headDim } = this.#shape;
    const shape = [kvHeadCount * headDim, this.slotCount * this.slotTokens];
    return graph.input(elementType.f16, shape, this.#buffer, this.#mapping.address + this.#offset(layer, part, 0));
  }

  /** Index into `rows` of a token of a slot. */
  rowIndex(slot: number, position: number): number {
    return slot * this.slotTokens + position;
  }

  /** The first `keys` rows of a slot as [headDim, keys, kvHeads]; {@link pointAt} turns it to another slot later. */
  window(graph: Graph, rows: Node, keys: number, slot: number): Node {
    const { kvHeadCount, headDim } = this.#shape;
    const strides = [this.rowBytes, headDim * 2, this.rowBytes] as const;
    return graph.view(rows, [headDim, keys, kvHeadCount, 1], strides, slot * this.slotTokens * this.rowBytes);
  }

  /** The same rows as [headDim, keys, 1, kvHeads]. */
  batchWindow(graph: Graph, rows: Node, keys: number, slot: number): Node {
    const { kvHeadCount, headDim } = this.#shape;
    const strides = [this.rowBytes, this.rowBytes, headDim * 2] as const;
    return graph.view(rows, [headDim, keys, 1, kvHeadCount], strides, slot * this.slotTokens * this.rowBytes);
  }

  /** Only after the graph has its memory: allocation sets views back to where they were made. */
  pointAt(window: MovableView, layer: number, part: 'k' | 'v', slot: number): void {
    window.moveTo(this.#mapping.address + this.#offset(layer, part, slot));
  }

  view({ slot, layer, part, fromToken, toToken }: KvRange): Uint8Array {
    const offset = this.#offset(layer, part, slot) + fromToken * this.rowBytes;
    return new Uint8Array(this.#mapping.view, offset, (toToken - fromToken) * this.rowBytes);
  }

  copy(fromSlot: number, toSlot: number, tokens: number): void {
    for (let layer = 0; layer < this.#shape.layerCount; layer++) {
      for (const part of ['k', 'v'] as const) {
        const range = { layer, part, fromToken: 0, toToken: tokens };
        this.view({ ...range, slot: toSlot }).set(this.view({ ...range, slot: fromSlot }));
      }
    }
  }

  free(): void {
    ggml().ggml_backend_buffer_free(this.#buffer);
    this.#mapping.free();
  }

  #offset(layer: number, part: 'k' | 'v', slot: number): number {
    const slotBytes = this.slotTokens * this.rowBytes;
    return ((layer * 2 + (part === 'k' ? 0 : 1)) * this.slotCount + slot) * slotBytes;
  }
}
