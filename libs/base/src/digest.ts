/**
 * 53 bits that stand for a text, as a whole number. Equal texts have equal digests on every machine; two others share
 * one about once in 2⁵³ pairs. Not for secrets, and not where a collision may do harm.
 * @param after digest of what came before, so that a chain of texts has one digest
 * @see Appleby 2010, MurmurHash3, for the finalisers; Fowler, Noll & Vo 1991 for the first of the two lanes
 */
export function digestOf(text: string, after = 0): number {
  let high = mixed(0x9747b28c ^ Math.floor(after / 0x1_0000_0000));
  let low = mixed(0x811c9dc5 ^ high ^ (after >>> 0));
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x85ebca6b);
    high ^= high >>> 15;
  }
  high = mixed(high ^ low ^ text.length);
  low = mixed(low ^ high);
  return (high >>> 11) * 0x1_0000_0000 + (low >>> 0);
}

function mixed(word: number): number {
  let value = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}
