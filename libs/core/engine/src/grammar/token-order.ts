/** Bytes of many tokens in one piece; token i has [starts[i], starts[i + 1]). */
export interface PackedTokens {
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
}

export function packTokens(vocabSize: number, bytesOf: (tokenId: number) => Uint8Array): PackedTokens {
  const starts = new Int32Array(vocabSize + 1);
  let bytes = new Uint8Array(vocabSize * 8 + 16);
  let end = 0;
  for (let tokenId = 0; tokenId < vocabSize; tokenId++) {
    const token = bytesOf(tokenId);
    while (end + token.length > bytes.length) bytes = grown(bytes);
    bytes.set(token, end);
    end += token.length;
    starts[tokenId + 1] = end;
  }
  return { bytes: bytes.slice(0, end), starts };
}

/** Orders tokens by their bytes, equal ones by id: a radix sort from the first byte, by comparison in small pieces. */
export function sortTokens(tokens: PackedTokens, out: Int32Array): void {
  const spare = new Int32Array(out.length);
  const counts = new Int32Array(258);
  const open: number[] = [0, out.length, 0];
  while (open.length > 0) {
    const depth = open.pop() as number;
    const to = open.pop() as number;
    const from = open.pop() as number;
    if (to - from < 24) {
      sortFew(tokens, out, { from, to, depth });
      continue;
    }
    distribute(tokens, { from, to, depth }, { out, spare, counts });
    // counts[bucket] is now where the bucket ends; bucket 0 has the tokens that end here, which stay in order of id.
    for (let bucket = 1; bucket <= 256; bucket++) {
      const start = from + (counts[bucket - 1] as number);
      const end = from + (counts[bucket] as number);
      if (end - start > 1) open.push(start, end, depth + 1);
    }
  }
}

interface Piece {
  readonly from: number;
  readonly to: number;
  /** Bytes that all its tokens share. */
  readonly depth: number;
}

function distribute(
  { bytes, starts }: PackedTokens,
  { from, to, depth }: Piece,
  { out, spare, counts }: { readonly out: Int32Array; readonly spare: Int32Array; readonly counts: Int32Array },
): void {
  counts.fill(0);
  for (let i = from; i < to; i++) {
    const at = (starts[out[i] as number] as number) + depth;
    const bucket = at < (starts[(out[i] as number) + 1] as number) ? (bytes[at] as number) + 1 : 0;
    (counts[bucket + 1] as number)++;
  }
  for (let bucket = 1; bucket < counts.length; bucket++) (counts[bucket] as number) += counts[bucket - 1] as number;
  for (let i = from; i < to; i++) {
    const at = (starts[out[i] as number] as number) + depth;
    const bucket = at < (starts[(out[i] as number) + 1] as number) ? (bytes[at] as number) + 1 : 0;
    spare[from + (counts[bucket] as number)] = out[i] as number;
    (counts[bucket] as number)++;
  }
  for (let i = from; i < to; i++) out[i] = spare[i] as number;
}

function sortFew(tokens: PackedTokens, out: Int32Array, { from, to, depth }: Piece): void {
  for (let i = from + 1; i < to; i++) {
    const tokenId = out[i] as number;
    let at = i;
    while (at > from && isAfter(tokens, { a: out[at - 1] as number, b: tokenId, depth })) {
      out[at] = out[at - 1] as number;
      at--;
    }
    out[at] = tokenId;
  }
}

function isAfter(
  { bytes, starts }: PackedTokens,
  { a, b, depth }: { readonly a: number; readonly b: number; readonly depth: number },
): boolean {
  const startA = starts[a] as number;
  const startB = starts[b] as number;
  const lengthA = (starts[a + 1] as number) - startA;
  const lengthB = (starts[b + 1] as number) - startB;
  const length = Math.min(lengthA, lengthB);
  for (let i = depth; i < length; i++) {
    const difference = (bytes[startA + i] as number) - (bytes[startB + i] as number);
    if (difference !== 0) return difference > 0;
  }
  return lengthA === lengthB ? a > b : lengthA > lengthB;
}

function grown(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(bytes.length * 2);
  larger.set(bytes);
  return larger;
}
