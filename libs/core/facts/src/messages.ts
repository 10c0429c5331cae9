import type { wire } from '@tercet/contracts';

/** Keys of one change, by the field that they travel in. */
export type Keys = { readonly [Field in keyof wire.FactsChange]?: readonly number[] };

const fields = ['prefixBlocksEvicted', 'prefixBlocksStored', 'mediaEvicted', 'mediaCached'] as const;

export function keyCountOf(change: wire.FactsChange): number {
  return fields.reduce((sum, field) => sum + change[field].length, 0);
}

/** A change as messages of so many keys at most; none when nothing changed. */
export function* changesOf(keys: Keys, keysMax: number): Generator<wire.FactsChange> {
  let change = emptyChange();
  let room = keysMax;
  for (const field of fields) {
    const all = keys[field] ?? [];
    for (let at = 0; at < all.length; ) {
      if (room === 0) {
        yield change;
        [change, room] = [emptyChange(), keysMax];
      }
      const some = all.slice(at, at + room);
      change[field] = some.map(BigInt);
      at += some.length;
      room -= some.length;
    }
  }
  if (room < keysMax) yield change;
}

/** What is cached as parts of so many keys at most; at least one. */
export function* snapshotOf(
  { prefixBlocks, media }: { readonly prefixBlocks: readonly number[]; readonly media: readonly number[] },
  keysMax: number,
): Generator<wire.FactsSnapshot> {
  const parts = [...changesOf({ prefixBlocksStored: prefixBlocks, mediaCached: media }, keysMax)];
  if (parts.length === 0) parts.push(emptyChange());
  for (const [part, { prefixBlocksStored, mediaCached }] of parts.entries()) {
    yield { part, last: part === parts.length - 1, prefixBlocks: prefixBlocksStored, media: mediaCached };
  }
}

function emptyChange(): wire.FactsChange {
  return { prefixBlocksStored: [], prefixBlocksEvicted: [], mediaCached: [], mediaEvicted: [] };
}
