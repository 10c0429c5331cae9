/** float16 bits of 0 and of minus infinity: seen and not seen. */
const seen = 0;
const unseen = 0xfc00;

/**
 * Writes one row of an attention mask: keys (position − window, position] are seen.
 * @param out float16 bits, `keys` values from `offset`
 * @param window how far back a row sees, in tokens; `Infinity` for all
 */
export function writeMaskRow(
  out: Uint16Array,
  row: { offset: number; keys: number; position: number; window: number },
): void {
  const { offset, keys, position, window } = row;
  const first = Math.max(0, position - window + 1);
  out.fill(unseen, offset, offset + first);
  out.fill(seen, offset + first, offset + position + 1);
  out.fill(unseen, offset + position + 1, offset + keys);
}
