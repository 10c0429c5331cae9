import type { AttendOptions, Attention, DecodeRow, Tensor } from '@tercet/engine';
import { writeMaskRow } from './attention-mask.js';
import type { GraphAllocator } from './compute.js';
import { floats, Graph, MovableView } from './graph.js';
import { InputMemory } from './input-memory.js';
import type { Node } from './node.js';
import { type DecoderParts, keyBucket } from './prefill-graph.js';

const graphsMax = 24;
/**
 * Computes single tokens of many sequences in one pass. Rows share the matrices; each attends alone to its own slot, so
 * that a row's result never depends on its company. A built graph is kept and run again for as long as its shape (rows,
 * keys) fits: only the inputs are rewritten and the attention windows pointed at the slots.
 */
export class DecodeRunner {
  readonly #parts: DecoderParts;
  readonly #rowsMin: number;
  readonly #graphs = new Map<string, DecodeGraph>();

  /** @param rowsMin rows that one pass has at least: 2 where a row alone would go through another matrix kernel */
  constructor(parts: DecoderParts, rowsMin: number) {
    this.#parts = parts;
    this.#rowsMin = rowsMin;
  }

  /** @returns logits [vocab] of each row, in order; the next run overwrites them */
  async run(rows: readonly DecodeRow[], threads: number): Promise<Float32Array[]> {
    const padded = [...rows];
    while (padded.length < this.#rowsMin) padded.push(rows[0] as DecodeRow);
    const last = Math.max(...rows.map((row) => row.position)) + 1;
    const keys = Math.min(this.#parts.arena.slotTokens, Math.ceil(last / keyBucket) * keyBucket);
    const graph = this.#graph(padded.length, keys);
    graph.write(padded);
    await this.#parts.compute.run(graph.graph, threads);
    return rows.map((_, index) => graph.logits(index));
  }

  free(): void {
    for (const graph of this.#graphs.values()) graph.free();
    this.#graphs.clear();
  }

  #graph(rows: number, keys: number): DecodeGraph {
    const name = `${rows}x${keys}`;
    const known = this.#graphs.get(name);
    if (known !== undefined) {
      this.#graphs.delete(name);
      this.#graphs.set(name, known);
      return known;
    }
    const [oldest] = this.#graphs;
    if (oldest !== undefined && this.#graphs.size >= graphsMax) {
      oldest[1].free();
      this.#graphs.delete(oldest[0]);
    }
    const made = new DecodeGraph(this.#parts, rows, keys);
    this.#graphs.set(name, made);
    return made;
  }
}

interface Window {
  readonly view: MovableView;
  readonly layer: number;
  readonly part: 'k' | 'v';
  readonly row: number;
}

class DecodeGraph {
  readonly graph: Graph;
  readonly #parts: DecoderParts;
  readonly #keys: number;
  readonly #inputs: InputMemory;
  readonly #allocator: GraphAllocator;
  readonly #windows: Window[] = [];
  readonly #masks = new Map<number, Uint16Array[]>();
  readonly #ids: Int32Array;
  readonly #positions: Int32Array;
  readonly #stored: BigInt64Array;
  readonly #logits: Float32Array;

  constructor(parts: DecoderParts, rows: number, keys: number) {
    const { family, weights, compute } = parts;
    const { shape } = family;
    this.#parts = parts;
    this.#keys = keys;
    this.graph = new Graph(weights, shape.layerCount * (48 + rows * 16) + 64);
    this.#inputs = new InputMemory(rows * (keys * shape.headCount * 4 + 1024) + 65_536);
    this.#allocator = compute.newAllocator();
    const ids = this.#inputs.int32(this.graph, rows);
    const positions = this.#inputs.int32(this.graph, rows);
    const stored = this.#inputs.int64(this.graph, rows);
    this.#ids = ids.values;
    this.#positions = positions.values;
    this.#stored = stored.values;
    const attention = this.#attention(rows, positions.node, stored.node);
    let x: Tensor = family.embed(this.graph, ids.node);
    for (let layer = 0; layer < shape.layerCount; layer++) x = family.layer(this.graph, layer, x, attention);
    const logits = this.graph.output(family.head(this.graph, x));
    this.#allocator.allocate(this.graph);
    this.#logits = floats(logits);
  }

  write(rows: readonly DecodeRow[]): void {
    const { arena } = this.#parts;
    rows.forEach(({ slot, position, tokenId }, index) => {
      this.#ids[index] = tokenId;
      this.#positions[index] = position;
      this.#stored[index] = BigInt(arena.rowIndex(slot, position));
      for (const [window, masks] of this.#masks) {
        const mask = masks[index] as Uint16Array;
        for (let offset = 0; offset < mask.length; offset += this.#keys) {
          writeMaskRow(mask, { offset, keys: this.#keys, position, window });
        }
      }
    });
    for (const { view, layer, part, row } of this.#windows) {
      arena.pointAt(view, layer, part, (rows[row] as DecodeRow).slot);
    }
  }

  /** The row's logits, until the graph runs again: copies of a megabyte each would keep the garbage collector busy. */
  logits(row: number): Float32Array {
    const { vocabSize } = this.#parts.family.shape;
    return this.#logits.subarray(row * vocabSize, (row + 1) * vocabSize);
  }

  free(): void {
    this.graph.free();
    this.#allocator.free();
    this.#inputs.free();
  }

  #attention(rows: number, positions: Node, stored: Node): Attention {
    const { arena, family } = this.#parts;
    const { headDim, headCount, kvHeadCount } = family.shape;
    const maskNodes = new Map<number, Node[]>();
    return {
      positions,
      wanted: (_layer, x) => x,
      attend: (layer, qkv, { scale, window = Number.POSITIVE_INFINITY }: AttendOptions) => {
        const masks = this.#maskNodes(maskNodes, window, rows);
        const keyRows = arena.rows(this.graph, layer, 'k');
        const valueRows = arena.rows(this.graph, layer, 'v');
        const flat = (t: Tensor) => this.graph.reshape(t, headDim * kvHeadCount, rows);
        this.graph.expand(this.graph.setRows(keyRows, flat(qkv.k), stored));
        this.graph.expand(this.graph.setRows(valueRows, flat(qkv.v), stored));
        let mixed: Tensor | undefined;
        for (let row = 0; row < rows; row++) {
          const k = this.#window(keyRows, { layer, part: 'k', row });
          const v = this.#window(valueRows, { layer, part: 'v', row });
          const of = { k, v, mask: masks[row] as Node, scale };
          const q = rows === 1 ? qkv.q : this.#rowOf(qkv.q, row);
          const one = this.#parts.token.attend(this.graph, q, of);
          mixed = mixed === undefined ? one : this.graph.stack(mixed, one);
        }
        return this.graph.reshape(mixed as Tensor, headDim * headCount, rows);
      },
    };
  }

  #rowOf(q: Tensor, row: number): Tensor {
    const [headDim, heads] = q.shape;
    const bytes = headDim * 4;
    const strides = [bytes, bytes * heads, bytes * heads] as const;
    return this.graph.contiguous(this.graph.view(q, [headDim, heads, 1, 1], strides, row * bytes * heads));
  }

  #window(rows: Node, place: { layer: number; part: 'k' | 'v'; row: number }): Node {
    const { token, arena } = this.#parts;
    const node = token.window(arena, this.graph, { rows, keys: this.#keys, slot: 0 });
    this.#windows.push({ view: new MovableView(node), ...place });
    return node;
  }

  /** One mask of [keys, rows of queries] for each row and window size. */
  #maskNodes(known: Map<number, Node[]>, window: number, rows: number): Node[] {
    const found = known.get(window);
    if (found !== undefined) return found;
    const made = Array.from({ length: rows }, () =>
      this.#inputs.float16(this.graph, [this.#keys, this.#parts.token.maskRows]),
    );
    known.set(
      window,
      made.map(({ node }) => node),
    );
    this.#masks.set(
      window,
      made.map(({ values }) => values),
    );
    return known.get(window) as Node[];
  }
}
