import { assert } from '@tercet/base';
import type { VisionFamily } from '@tercet/engine';
import type { Compute, GraphAllocator } from './compute.js';
import { Graph } from './graph.js';
import { InputMemory } from './input-memory.js';
import type { Weights } from './weights.js';

/** Tiles of one pass; more are computed in several passes, so that memory stays bounded. */
const tilesPerPass = 8;

/** Computes media tokens of tiles. */
export class VisionRunner {
  readonly #family: VisionFamily;
  readonly #weights: Weights;
  readonly #compute: Compute;
  readonly #inputs: InputMemory;
  readonly #allocator: GraphAllocator;

  constructor(family: VisionFamily, weights: Weights, compute: Compute) {
    this.#family = family;
    this.#weights = weights;
    this.#compute = compute;
    const { tileSize, tokensPerTile, projectionDim } = family.shape;
    const tileBytes = (3 * tileSize * tileSize + tokensPerTile * projectionDim) * 4 + 128;
    this.#inputs = new InputMemory(tilesPerPass * tileBytes + 4096);
    this.#allocator = compute.newAllocator();
  }

  /** Pixels [tiles, 3, size, size] → media tokens [tiles * tokensPerTile, projectionDim]. */
  async run(pixels: Float32Array, tileCount: number, threads: number): Promise<Float32Array> {
    const { tileSize, tokensPerTile, projectionDim } = this.#family.shape;
    const pixelsPerTile = 3 * tileSize * tileSize;
    assert(pixels.length === tileCount * pixelsPerTile, 'pixels fill the tiles', { pixels: pixels.length, tileCount });
    const out = new Float32Array(tileCount * tokensPerTile * projectionDim);
    for (let first = 0; first < tileCount; first += tilesPerPass) {
      const count = Math.min(tilesPerPass, tileCount - first);
      const part = pixels.subarray(first * pixelsPerTile, (first + count) * pixelsPerTile);
      out.set(await this.#pass(part, count, threads), first * tokensPerTile * projectionDim);
    }
    return out;
  }

  free(): void {
    this.#allocator.free();
    this.#inputs.free();
  }

  async #pass(pixels: Float32Array, count: number, threads: number): Promise<Float32Array> {
    const { tileSize, tokensPerTile, projectionDim, layerCount } = this.#family.shape;
    const graph = new Graph(this.#weights, layerCount * 64 + 64);
    try {
      this.#inputs.reset();
      const input = this.#inputs.float32(graph, [tileSize, tileSize, 3, count]);
      input.values.set(pixels);
      const output = this.#inputs.float32(graph, [projectionDim, tokensPerTile, count]);
      graph.expand(graph.copy(this.#family.encode(graph, input.node), output.node));
      this.#allocator.allocate(graph);
      await this.#compute.run(graph, threads);
      return output.values;
    } finally {
      graph.free();
    }
  }
}
