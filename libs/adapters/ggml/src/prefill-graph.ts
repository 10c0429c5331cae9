import type { AttendOptions, Attention, DecoderFamily, PrefillChunk, Tensor } from '@tercet/engine';
import { writeMaskRow } from './attention-mask.js';
import type { Compute, GraphAllocator } from './compute.js';
import { Graph } from './graph.js';
import { InputMemory } from './input-memory.js';
import type { KvArena } from './kv-arena.js';
import type { Node } from './node.js';
import { RepackedWeights } from './repacked-weights.js';
import type { TokenAttention } from './token-attention.js';
import type { WeightSource, Weights } from './weights.js';

/** Keys are attended in multiples of this, so that few shapes of graphs exist. */
export const keyBucket = 256;
const nodesPerLayer = 64;

export interface DecoderParts {
  readonly family: DecoderFamily;
  readonly weights: Weights;
  readonly arena: KvArena;
  readonly compute: Compute;
  readonly token: TokenAttention;
}

/**
 * Computes chunks of prompts, one sequence at a time, in groups of layers: after each group the KV of its layers is
 * complete and may be pulled while the next group computes. Between groups the hidden state waits in `#state`.
 */
export class PrefillRunner {
  readonly #parts: DecoderParts;
  readonly #inputs: InputMemory;
  readonly #allocator: GraphAllocator;
  readonly #groupCount: number;
  readonly #repacks: boolean;
  #repacked: RepackedWeights | undefined;

  constructor(parts: DecoderParts, options: { chunkTokensMax: number; groupCount: number; repack: boolean }) {
    this.#repacks = options.repack;
    this.#parts = parts;
    this.#groupCount = Math.min(options.groupCount, parts.family.shape.layerCount);
    this.#allocator = parts.compute.newAllocator();
    this.#inputs = new InputMemory(inputBytes(parts, options.chunkTokensMax));
  }

  /** @returns logits [vocab] of the last row when the chunk wants them */
  async run(
    chunk: PrefillChunk,
    threads: number,
    onLayersReady: ((layersDone: number) => void) | undefined,
  ): Promise<Float32Array | undefined> {
    const { layerCount } = this.#parts.family.shape;
    const groups = chunk.tokenIds.length < 32 ? 1 : this.#groupCount;
    const weights = this.#weights();
    const state = new HiddenState(chunk, this.#parts, this.#inputs);
    for (let group = 0; group < groups; group++) {
      const from = Math.floor((layerCount * group) / groups);
      const to = Math.floor((layerCount * (group + 1)) / groups);
      const graph = new Graph(weights, (to - from) * nodesPerLayer + 64);
      try {
        this.#inputs.reset();
        const logits = state.build(graph, from, to);
        this.#allocator.allocate(graph);
        await this.#parts.compute.run(graph, threads);
        onLayersReady?.(to);
        if (logits !== undefined) return logits.slice();
      } finally {
        graph.free();
      }
    }
    return undefined;
  }

  free(): void {
    this.#repacked?.close();
    this.#allocator.free();
    this.#inputs.free();
  }

  /** Repacked by the first prompt: a process that only decodes has no use for the copies. */
  #weights(): WeightSource {
    if (!this.#repacks) return this.#parts.weights;
    this.#repacked ??= new RepackedWeights(this.#parts.weights, this.#parts.compute);
    return this.#repacked;
  }
}

/** The rows of one chunk on their way through the groups of layers. */
class HiddenState {
  readonly #chunk: PrefillChunk;
  readonly #parts: DecoderParts;
  readonly #inputs: InputMemory;
  readonly #keys: number;

  constructor(chunk: PrefillChunk, parts: DecoderParts, inputs: InputMemory) {
    this.#chunk = chunk;
    this.#parts = parts;
    this.#inputs = inputs;
    const end = chunk.start + chunk.tokenIds.length;
    this.#keys = Math.min(parts.arena.slotTokens, Math.ceil(end / keyBucket) * keyBucket);
  }

  /** Layers [from, to) of the chunk. @returns where the logits will stand after the run, in the last group */
  build(graph: Graph, from: number, to: number): Float32Array | undefined {
    const { family } = this.#parts;
    const rows = this.#chunk.tokenIds.length;
    // The hidden state always takes the same first place of the input memory, so that groups hand it on there.
    const kept = this.#inputs.float32(graph, [family.shape.width, rows]);
    const attention = this.#attention(graph, rows);
    let x: Tensor = from === 0 ? this.#embed(graph) : kept.node;
    for (let layer = from; layer < to; layer++) x = family.layer(graph, layer, x, attention);
    if (to < family.shape.layerCount) {
      graph.expand(graph.copy(x, kept.node));
      return undefined;
    }
    // Nothing needs the rows behind the last layer but the logits; its keys and values are in the graph already.
    if (!this.#chunk.wantsLogits) return undefined;
    const logits = this.#inputs.float32(graph, [family.shape.vocabSize, 1]);
    graph.expand(graph.copy(family.head(graph, x), logits.node));
    return logits.values;
  }

  #embed(graph: Graph): Tensor {
    const { family } = this.#parts;
    const ids = this.#inputs.int32(graph, this.#chunk.tokenIds.length);
    ids.values.set(this.#chunk.tokenIds);
    let x = family.embed(graph, ids.node);
    for (const media of this.#chunk.media) {
      const rows = this.#inputs.float32(graph, [family.shape.width, media.tokens]);
      rows.values.set(media.rows);
      const at = this.#inputs.int64(graph, media.tokens);
      for (let i = 0; i < media.tokens; i++) at.values[i] = BigInt(media.start - this.#chunk.start + i);
      x = graph.setRows(x, rows.node, at.node);
    }
    return x;
  }

  #attention(graph: Graph, rows: number): Attention {
    const { arena, token } = this.#parts;
    const { slot, start } = this.#chunk;
    const positions = this.#inputs.int32(graph, rows);
    const stored = this.#inputs.int64(graph, rows);
    for (let i = 0; i < rows; i++) {
      positions.values[i] = start + i;
      stored.values[i] = BigInt(arena.rowIndex(slot, start + i));
    }
    const masks = new Map<number, Node>();
    const mask = (window: number): Node => {
      const known = masks.get(window);
      if (known !== undefined) return known;
      const made = this.#mask(graph, rows, window);
      masks.set(window, made);
      return made;
    };
    const last = this.#inputs.int32(graph, 1);
    last.values[0] = rows - 1;
    const wanted = (layer: number, x: Tensor) =>
      layer === this.#parts.family.shape.layerCount - 1 ? graph.getRows(x, last.node) : x;
    return {
      positions: positions.node,
      wanted,
      attend: (layer, qkv, { scale, window = Number.POSITIVE_INFINITY }: AttendOptions) => {
        const [headDim, heads] = qkv.q.shape;
        const keys = this.#store(graph, layer, 'k', qkv.k, stored.node);
        const values = this.#store(graph, layer, 'v', qkv.v, stored.node);
        if (rows === 1) return token.attend(graph, qkv.q, { k: keys, v: values, mask: mask(window), scale });
        const queries = graph.permute(qkv.q, [0, 2, 1, 3]);
        const mixed = graph.attention(queries, keys, values, mask(window), scale);
        return wanted(layer, graph.reshape(mixed, headDim * heads, rows));
      },
    };
  }

  /** Writes the rows into the arena and returns the window that attention reads. */
  #store(graph: Graph, layer: number, part: 'k' | 'v', rows: Tensor, stored: Node): Node {
    const { arena } = this.#parts;
    const [headDim, kvHeads, count] = rows.shape;
    const all = arena.rows(graph, layer, part);
    graph.expand(graph.setRows(all, graph.reshape(rows, headDim * kvHeads, count), stored));
    const at = { rows: all, keys: this.#keys, slot: this.#chunk.slot };
    return count === 1
      ? this.#parts.token.window(arena, graph, at)
      : arena.window(graph, all, this.#keys, this.#chunk.slot);
  }

  #mask(graph: Graph, rows: number, window: number): Node {
    const maskRows = rows === 1 ? this.#parts.token.maskRows : rows;
    const { node, values } = this.#inputs.float16(graph, [this.#keys, maskRows]);
    for (let i = 0; i < maskRows; i++) {
      const position = this.#chunk.start + (rows === 1 ? 0 : i);
      writeMaskRow(values, { offset: i * this.#keys, keys: this.#keys, position, window });
    }
    return node;
  }
}

function inputBytes({ family, arena, token }: DecoderParts, chunkTokensMax: number): number {
  const masks = 2 * arena.slotTokens * Math.max(chunkTokensMax, token.maskRows) * 2;
  const rows = chunkTokensMax * (family.shape.width * 4 * 2 + 64);
  return masks + rows + family.shape.vocabSize * 4 + 65_536;
}
