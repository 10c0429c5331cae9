import type { GraphMemory } from '../graph/memory.js';
import type { CodeRows, PreparedQuery } from './code-rows.js';

/** Rows of numbers as they are, in 32 or 16 bits. */
export class FloatRows implements CodeRows {
  readonly #memory: GraphMemory;
  readonly #values: Float32Array | Float16Array;
  readonly #stride: number;

  constructor(memory: GraphMemory) {
    const { buffer } = memory.regions.codes;
    this.#memory = memory;
    this.#values = memory.shape.code.kind === 'float32' ? new Float32Array(buffer) : new Float16Array(buffer);
    this.#stride = memory.codeStride / this.#values.BYTES_PER_ELEMENT;
  }

  write(slot: number, values: Float32Array): void {
    this.#values.set(values, slot * this.#stride);
  }

  blank(slot: number): void {
    this.#values.fill(Number.NaN, slot * this.#stride, slot * this.#stride + 4);
  }

  near({ values, base }: PreparedQuery, slot: number): number {
    const { metric, dim } = this.#memory.shape;
    const at = slot * this.#stride;
    const sum = metric === 'l2' ? squaresOf(values, 0, this.#values, at, dim) : dotOf(values, 0, this.#values, at, dim);
    return Math.fround(metric === 'l2' ? sum : base - Math.fround(sum));
  }

  exact(query: PreparedQuery, slot: number): number {
    return this.near(query, slot);
  }

  between(a: number, b: number): number {
    const { metric, dim } = this.#memory.shape;
    const [x, y] = [a * this.#stride, b * this.#stride];
    if (metric === 'l2') return Math.fround(squaresOf(this.#values, x, this.#values, y, dim));
    return Math.fround((metric === 'cosine' ? 1 : 0) - Math.fround(dotOf(this.#values, x, this.#values, y, dim)));
  }

  decode(slot: number): Float32Array {
    const at = slot * this.#stride;
    return Float32Array.from(this.#values.subarray(at, at + this.#memory.shape.dim));
  }
}

type Floats = Float32Array | Float16Array;

function dotOf(a: Floats, atA: number, b: Floats, atB: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += (a[atA + i] as number) * (b[atB + i] as number);
  return sum;
}

function squaresOf(a: Floats, atA: number, b: Floats, atB: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const apart = (a[atA + i] as number) - (b[atB + i] as number);
    sum += apart * apart;
  }
  return sum;
}
