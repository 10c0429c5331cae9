import type { GraphMemory } from '../graph/memory.js';
import { packCodes, unpackCodes } from '../quantization/packing.js';
import { lvqHeadBytes, paddedDim, type VectorCode } from '../quantization/vector-code.js';
import type { Metric } from '../vector-index.js';
import type { CodeRows, PreparedQuery } from './code-rows.js';

const { fround } = Math;

/** A row at the precision that links are chosen by: 8 bits where the code has them. */
interface WorkRow {
  readonly codes: Uint8Array;
  readonly scale: number;
  readonly low: number;
  readonly sum: number;
  readonly bias: number;
}

/**
 * Locally adaptive quantization in two levels: one grid for each vector, from its least to its greatest component; the
 * first level has the leading bits of each code, the second the others.
 * @see Aguerrebere et al. 2023, "Similarity search in the blink of an eye with compressed indices", arXiv:2304.04759,
 *      without the mean that is subtracted there: a graph that grows has none to begin with
 */
export class LvqRows implements CodeRows {
  readonly #memory: GraphMemory;
  readonly #bits: 4 | 8;
  readonly #restBits: 0 | 4 | 6 | 8;
  readonly #count: number;
  /** The heads of the rows are among the codes. */
  readonly #floats: Float32Array;
  readonly #words: Uint32Array;

  constructor(memory: GraphMemory, { bits, restBits }: VectorCode & { readonly kind: 'lvq' }) {
    this.#memory = memory;
    this.#bits = bits;
    this.#restBits = restBits;
    this.#count = paddedDim(memory.shape.dim);
    this.#floats = new Float32Array(memory.regions.codes.buffer);
    this.#words = new Uint32Array(memory.regions.codes.buffer);
  }

  write(slot: number, values: Float32Array): void {
    const { dim, metric } = this.#memory.shape;
    const grid = gridOf(values.subarray(0, dim), this.#bits + this.#restBits);
    const [first, rest] = [new Uint8Array(this.#count), new Uint8Array(this.#count)];
    const dropped = Math.max(this.#bits + this.#restBits - 8, 0);
    let [sum, squares] = [0, 0];
    for (let i = 0; i < dim; i++) {
      const code = grid.codes[i] as number;
      first[i] = code >> this.#restBits;
      rest[i] = code & ((1 << this.#restBits) - 1);
      sum += code >> dropped;
      squares += (grid.low + grid.scale * code) ** 2;
    }
    const cells = 2 ** this.#restBits;
    const at = this.#headOf(slot);
    packCodes(first, this.#bits, this.#memory.codes.subarray(slot * this.#memory.codeStride + lvqHeadBytes));
    if (this.#restBits !== 0) packCodes(rest, this.#restBits, this.#restRow(slot));
    this.#floats[at] = grid.scale * cells;
    this.#floats[at + 1] = grid.low + grid.scale * ((cells - 1) / 2);
    this.#floats[at + 2] = metric === 'l2' ? squares : 0;
    this.#words[at + 3] = sum;
  }

  blank(slot: number): void {
    this.#floats[this.#headOf(slot) + 2] = Number.POSITIVE_INFINITY;
  }

  near(query: PreparedQuery, slot: number): number {
    const [scale, low, bias] = this.#head(slot);
    const dot = fround(dotOf(this.#first(slot), query.codes));
    const inner = fround(fround(low * query.sum) + fround(fround(scale * query.scale) * dot));
    return fround(fround(query.base + bias) - fround(query.factor * inner));
  }

  exact({ values, sum, base, factor }: PreparedQuery, slot: number): number {
    const [scale, low, bias] = this.#head(slot);
    let inner = low * sum + scale * dotOf(this.#first(slot), values);
    if (this.#restBits !== 0) {
      const rest = new Uint8Array(this.#count);
      unpackCodes(this.#restRow(slot), this.#restBits, rest);
      const cells = 2 ** this.#restBits;
      inner += (scale / cells) * (dotOf(rest, values) - ((cells - 1) / 2) * sum);
    }
    return fround(base + bias - factor * inner);
  }

  between(a: number, b: number): number {
    return betweenRows(this.#workRow(a), this.#workRow(b), this.#memory.shape);
  }

  decode(slot: number): Float32Array {
    const [firstScale, firstLow] = this.#head(slot);
    const cells = 2 ** this.#restBits;
    const scale = firstScale / cells;
    const low = firstLow - scale * ((cells - 1) / 2);
    const first = this.#first(slot);
    const rest = new Uint8Array(this.#count);
    if (this.#restBits !== 0) unpackCodes(this.#restRow(slot), this.#restBits, rest);
    const code = (i: number) => (first[i] as number) * cells + (rest[i] as number);
    return Float32Array.from({ length: this.#memory.shape.dim }, (_, i) => low + scale * code(i));
  }

  #headOf(slot: number): number {
    return (slot * this.#memory.codeStride) / 4;
  }

  #head(slot: number): readonly [scale: number, low: number, bias: number] {
    const at = this.#headOf(slot);
    return [this.#floats[at] as number, this.#floats[at + 1] as number, this.#floats[at + 2] as number];
  }

  #restRow(slot: number): Uint8Array {
    const { rests, restStride } = this.#memory;
    return rests.subarray(slot * restStride, (slot + 1) * restStride);
  }

  #first(slot: number): Uint8Array {
    const { codes, codeStride } = this.#memory;
    const out = new Uint8Array(this.#count);
    unpackCodes(codes.subarray(slot * codeStride + lvqHeadBytes, (slot + 1) * codeStride), this.#bits, out);
    return out;
  }

  #workRow(slot: number): WorkRow {
    const [scale, low, bias] = this.#head(slot);
    const sum = this.#words[this.#headOf(slot) + 3] as number;
    const codes = this.#first(slot);
    if (this.#bits === 8 || this.#restBits === 0) return { codes, scale, low, sum, bias };
    const rest = new Uint8Array(this.#count);
    unpackCodes(this.#restRow(slot), this.#restBits, rest);
    const dropped = this.#restBits - 4;
    for (let i = 0; i < codes.length; i++) codes[i] = ((codes[i] as number) << 4) | ((rest[i] as number) >> dropped);
    return { codes, scale: scale / 16, low: low - (scale / 16) * 7.5, sum, bias };
  }
}

interface Grid {
  readonly codes: Uint32Array;
  readonly scale: number;
  readonly low: number;
}

/** The nearest of 2^bits even levels between the least and the greatest component. */
function gridOf(values: Float32Array, bits: number): Grid {
  let [low, high] = [values[0] as number, values[0] as number];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const levels = 2 ** bits - 1;
  const scale = fround((high - low) / levels);
  const inverse = scale === 0 ? 0 : 1 / scale;
  const codes = Uint32Array.from(values, (value) => Math.floor(Math.min((value - low) * inverse + 0.5, levels)));
  return { codes, scale, low };
}

function dotOf(codes: Uint8Array, values: Int8Array | Uint8Array | Float32Array): number {
  let sum = 0;
  for (let i = 0; i < codes.length; i++) sum += (codes[i] as number) * (values[i] as number);
  return sum;
}

function betweenRows(
  a: WorkRow,
  b: WorkRow,
  { dim, metric }: { readonly dim: number; readonly metric: Metric },
): number {
  const dot = dotOf(a.codes, b.codes);
  const inner = a.low * b.low * dim + a.low * b.scale * b.sum + b.low * a.scale * a.sum + a.scale * b.scale * dot;
  if (metric === 'l2') return fround(a.bias + b.bias - 2 * inner);
  return fround((metric === 'cosine' ? 1 : 0) - inner);
}
