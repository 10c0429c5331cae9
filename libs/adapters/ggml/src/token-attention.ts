import type { DecoderShape, Tensor } from '@tercet/engine';
import type { Graph } from './graph.js';
import type { KvArena } from './kv-arena.js';
import type { Node } from './node.js';

/**
 * Attention of one token, in a form whose sums depend on nothing but its keys. For a single query row ggml splits 512
 * and more keys among its threads, and the result then depends on how many there are. It does not where there are
 * several rows or several batches; so the heads that share a KV head stand as rows, and where no heads share
 * (multi-head attention) they stand as the batch.
 */
export class TokenAttention {
  /** Rows of a mask, one for each row of queries, all alike. */
  readonly maskRows: number;
  readonly #shape: DecoderShape;

  constructor(shape: DecoderShape) {
    this.#shape = shape;
    this.maskRows = shape.headCount / shape.kvHeadCount;
  }

  /** The first `keys` rows of a slot, as {@link attend} wants them. */
  window(arena: KvArena, graph: Graph, at: { rows: Node; keys: number; slot: number }): Node {
    const { rows, keys, slot } = at;
    return this.#isMultiHead ? arena.batchWindow(graph, rows, keys, slot) : arena.window(graph, rows, keys, slot);
  }

  /** q [headDim, heads] in order → [headDim * heads, 1] */
  attend(graph: Graph, q: Tensor, of: { k: Node; v: Node; mask: Node; scale: number }): Tensor {
    const { headDim, headCount, kvHeadCount } = this.#shape;
    const { k, v, mask, scale } = of;
    if (this.#isMultiHead) {
      const mixed = graph.attention(graph.reshape(q, headDim, 1, 1, headCount), k, v, mask, scale);
      return graph.reshape(mixed, headDim * headCount, 1);
    }
    const mixed = graph.attention(graph.reshape(q, headDim, this.maskRows, kvHeadCount), k, v, mask, scale);
    const inOrder = kvHeadCount === 1 ? mixed : graph.contiguous(graph.permute(mixed, [0, 2, 1, 3]));
    return graph.reshape(inOrder, headDim * headCount, 1);
  }

  get #isMultiHead(): boolean {
    return this.maskRows === 1;
  }
}
