/** Place of component `i` among codes of 4 bits: blocks of 128, then one of 64, the first half in the low bits. */
function placeOf4(i: number, count: number): { readonly byte: number; readonly shift: number } {
  const start = i - (i % 128);
  const half = count - start >= 128 ? 64 : 32;
  return { byte: start / 2 + ((i - start) % half), shift: i - start >= half ? 4 : 0 };
}

/** Place among codes of 2 bits: in blocks of 64, a byte has four components, 16 apart. */
function placeOf2(i: number): { readonly byte: number; readonly shift: number } {
  return { byte: Math.floor(i / 64) * 16 + (i % 16), shift: Math.floor((i % 64) / 16) * 2 };
}

export type CodeBits = 4 | 6 | 8;

/**
 * Writes a code for each component. Codes of 6 bits are a run of their upper four and then one of their lower two.
 * @param codes [a multiple of 64]
 */
export function packCodes(codes: Uint8Array, bits: CodeBits, out: Uint8Array): void {
  if (bits === 8) return out.set(codes);
  const count = codes.length;
  out.fill(0, 0, (count * bits) / 8);
  for (let i = 0; i < count; i++) {
    const code = codes[i] as number;
    const four = placeOf4(i, count);
    out[four.byte] = (out[four.byte] as number) | ((bits === 6 ? code >> 2 : code) << four.shift);
    if (bits === 4) continue;
    const two = placeOf2(i);
    out[count / 2 + two.byte] = (out[count / 2 + two.byte] as number) | ((code & 3) << two.shift);
  }
}

/** The inverse of {@link packCodes}. */
export function unpackCodes(packed: Uint8Array, bits: CodeBits, out: Uint8Array): void {
  const count = out.length;
  if (bits === 8) return out.set(packed.subarray(0, count));
  for (let i = 0; i < count; i++) {
    const four = placeOf4(i, count);
    const upper = ((packed[four.byte] as number) >> four.shift) & 15;
    if (bits === 4) {
      out[i] = upper;
    } else {
      const two = placeOf2(i);
      out[i] = (upper << 2) | (((packed[count / 2 + two.byte] as number) >> two.shift) & 3);
    }
  }
}
