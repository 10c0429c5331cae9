import { unreachable } from '@tercet/base';

/**
 * What stands in memory for a vector.
 * `lvq`: a grid of its own for each vector; the first level is what a walk compares, the second, where `restBits` are
 * not 0, sharpens the order of what it found.
 */
export type VectorCode =
  | { readonly kind: 'float32' }
  | { readonly kind: 'float16' }
  | { readonly kind: 'lvq'; readonly bits: 4 | 8; readonly restBits: 0 | 4 | 6 | 8 };

/** In front of an LVQ code: scale, low end, what the row adds to a distance, sum of the codes. */
export const lvqHeadBytes = 16;

/** Components are filled up with zeros to whole blocks. */
export const blockDims = 64;

export function paddedDim(dim: number): number {
  return Math.ceil(dim / blockDims) * blockDims;
}

/** Bytes of a row: of the first level and of the second. */
export function rowBytes(code: VectorCode, dim: number): { readonly code: number; readonly rest: number } {
  const count = paddedDim(dim);
  switch (code.kind) {
    case 'float32':
      return { code: count * 4, rest: 0 };
    case 'float16':
      return { code: count * 2, rest: 0 };
    case 'lvq':
      return { code: lvqHeadBytes + (count * code.bits) / 8, rest: (count * code.restBits) / 8 };
    default:
      return unreachable(code);
  }
}
