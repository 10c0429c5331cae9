/**
 * Randomness by position: a bijection of a counter under a key, so that a draw needs no state from earlier draws.
 * @see Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", Philox4x32 with 10 rounds
 */
const rounds = 10;
const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;

/** Replaces the counter, four unsigned 32-bit words, by its random words under `key`, two such words. */
export function philox4x32(key: readonly [number, number], out: Uint32Array): void {
  let [key0, key1] = key;
  for (let round = 0; round < rounds; round++) {
    const [word0, word1, word2, word3] = out as unknown as readonly [number, number, number, number];
    out[0] = highWord(multiplier1, word2) ^ word1 ^ key0;
    out[1] = Math.imul(multiplier1, word2);
    out[2] = highWord(multiplier0, word0) ^ word3 ^ key1;
    out[3] = Math.imul(multiplier0, word0);
    key0 = (key0 + weyl0) >>> 0;
    key1 = (key1 + weyl1) >>> 0;
  }
}

/** Uniform in [0, 1) with 53 random bits; a function of seed (its low 64 bits), position and index alone. */
export function uniformAt(seed: bigint, position: number, index = 0): number {
  const words = new Uint32Array([position >>> 0, Math.floor(position / 2 ** 32), index, 0]);
  philox4x32([Number(seed & 0xffffffffn), Number((seed >> 32n) & 0xffffffffn)], words);
  const [high, low] = words as unknown as readonly [number, number];
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

/** High 32 bits of the 64-bit product of two unsigned 32-bit words. */
function highWord(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const carry = aLow * bHigh + (middle % 0x10000);
  return aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000);
}
