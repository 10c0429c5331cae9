import { Prng } from '@tercet/base';
import type { Compute } from './compute.js';
import { Graph } from './graph.js';
import { InputMemory } from './input-memory.js';
import { isMatrixType, type Node } from './node.js';
import type { Weights } from './weights.js';

const company = [2, 3, 4, 8];

/**
 * Whether a product with one row can have other bits than the same row among several. ggml picks its kernel by the
 * element type, the processor and the number of rows; the weights of this file, one matrix of each type, tell which on
 * this machine. Where the bits are equal a decode of one row needs no company, which costs up to four times its time.
 * Cost: some milliseconds, once.
 */
export function rowsNeedCompany(weights: Weights, compute: Compute): boolean {
  return matrixOfEachType(weights).some((matrix) => {
    const [alone] = firstRows(matrix, { weights, compute, counts: [1] });
    const others = firstRows(matrix, { weights, compute, counts: company });
    return others.some((row) => !sameBits(row, alone as Float32Array));
  });
}

/** The smallest matrix of each type and width: rows of another width may be another kernel's. */
function matrixOfEachType({ gguf }: Weights): Matrix[] {
  const found = new Map<string, Matrix>();
  for (const { name, type, shape } of gguf.tensors.values()) {
    const [width = 1, rows = 1, ...rest] = shape;
    if (shape.length < 2 || rest.some((n) => n > 1) || !isMatrixType(type)) continue;
    const key = `${type} ${width}`;
    const known = found.get(key);
    if (known === undefined || rows < known.rows) found.set(key, { name, width, rows });
  }
  return [...found.values()];
}

interface Matrix {
  readonly name: string;
  readonly width: number;
  readonly rows: number;
}

/** The product with the same first row, among as many as `counts` say. */
function firstRows(
  { name, width, rows }: Matrix,
  of: { weights: Weights; compute: Compute; counts: readonly number[] },
): Float32Array[] {
  const graph = new Graph(of.weights, 64);
  const total = of.counts.reduce((sum, count) => sum + count, 0);
  const inputs = new InputMemory(total * (width + rows) * 4 + 65_536);
  const allocator = of.compute.newAllocator();
  try {
    const matrix: Node = graph.weight(name, [width, rows]);
    const results = of.counts.map((count) => {
      const input = inputs.float32(graph, [width, count]);
      const prng = new Prng(1);
      for (let i = 0; i < input.values.length; i++) input.values[i] = prng.nextFloat() - 0.5;
      const output = inputs.float32(graph, [rows, count]);
      graph.expand(graph.copy(graph.mulMat(matrix, input.node), output.node));
      return output.values;
    });
    allocator.allocate(graph);
    of.compute.runNow(graph, 1);
    return results.map((values) => values.slice(0, rows));
  } finally {
    graph.free();
    allocator.free();
    inputs.free();
  }
}

function sameBits(a: Float32Array, b: Float32Array): boolean {
  const bits = new Uint32Array(b.buffer, b.byteOffset, b.length);
  return new Uint32Array(a.buffer, a.byteOffset, a.length).every((value, i) => value === bits[i]);
}
