// Codes of less than a byte. Of 4 bits: blocks of 128 and then one of 64, whose first half is in the low bits of the
// bytes. Of 2 bits: blocks of 64, a byte has four components, 16 apart. Of 6: the upper four of all, then the lower
// two.

export type CodeBits = 4 | 6 | 8;

/** Writes a code for each component, [a multiple of 64]. */
export function packCodes(codes: Uint8Array, bits: CodeBits, out: Uint8Array): void {
  const count = codes.length;
  if (bits === 8) {
    out.set(codes);
  } else if (bits === 4) {
    pack4(codes, 0, out);
  } else {
    pack4(codes, 2, out);
    pack2(codes, out.subarray(count / 2));
  }
}

/** The inverse of {@link packCodes}, of as many components as `out` has. */
export function unpackCodes(packed: Uint8Array, bits: CodeBits, out: Uint8Array): void {
  const count = out.length;
  if (bits === 8) {
    out.set(packed.subarray(0, count));
    return;
  }
  for (let start = 0; start < count; start += 128) {
    const half = count - start >= 128 ? 64 : 32;
    for (let i = 0; i < half; i++) {
      const byte = packed[start / 2 + i] as number;
      out[start + i] = byte & 15;
      out[start + half + i] = byte >> 4;
    }
  }
  if (bits === 6) appendLower2(packed.subarray(count / 2), out);
}

function pack4(codes: Uint8Array, dropped: number, out: Uint8Array): void {
  for (let start = 0; start < codes.length; start += 128) {
    const half = codes.length - start >= 128 ? 64 : 32;
    for (let i = 0; i < half; i++) {
      const [low, high] = [codes[start + i] as number, codes[start + half + i] as number];
      out[start / 2 + i] = (low >> dropped) | ((high >> dropped) << 4);
    }
  }
}

function pack2(codes: Uint8Array, out: Uint8Array): void {
  for (let start = 0; start < codes.length; start += 64) {
    for (let i = 0; i < 16; i++) {
      let byte = 0;
      for (let part = 0; part < 4; part++) byte |= ((codes[start + 16 * part + i] as number) & 3) << (2 * part);
      out[start / 4 + i] = byte;
    }
  }
}

function appendLower2(packed: Uint8Array, out: Uint8Array): void {
  for (let i = 0; i < out.length; i++) {
    const byte = packed[(i >> 6) * 16 + (i & 15)] as number;
    out[i] = ((out[i] as number) << 2) | ((byte >> (((i & 63) >> 4) * 2)) & 3);
  }
}
