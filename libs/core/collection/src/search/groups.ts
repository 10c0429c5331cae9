import type { Ranked } from './ranked.js';

export interface Grouped extends Ranked {
  /** Of each slot. */
  readonly groups: readonly string[];
  /** Groups that have a hit. */
  readonly count: number;
}

/**
 * The best of each group, groups in the order of their best.
 * @param groupOf the group that a slot is in; one without is left out
 */
export function groupRanked(
  ranked: Ranked,
  { groups: groupsMax, size }: { readonly groups: number; readonly size: number },
  groupOf: (slot: number) => string | undefined,
): Grouped {
  const byGroup = new Map<string, { slot: number; score: number }[]>();
  for (const [i, slot] of ranked.slots.entries()) {
    const group = groupOf(slot);
    if (group === undefined) continue;
    const hits = byGroup.get(group) ?? [];
    if (hits.length === size || (hits.length === 0 && byGroup.size === groupsMax)) continue;
    hits.push({ slot, score: ranked.scores[i] as number });
    byGroup.set(group, hits);
  }
  const all = [...byGroup].flatMap(([group, hits]) => hits.map((hit) => ({ group, ...hit })));
  return {
    slots: all.map(({ slot }) => slot),
    scores: all.map(({ score }) => score),
    groups: all.map(({ group }) => group),
    count: byGroup.size,
  };
}
