/** Slots in order, best first. */
export interface Ranked {
  readonly slots: readonly number[];
  /** Higher is better. */
  readonly scores: readonly number[];
}

/** How two rankings become one. */
export type Fusion =
  /** 1 / (constant + rank), added. Cormack, Clarke & Büttcher 2009, "Reciprocal rank fusion", with constant 60 */
  | { readonly kind: 'ranks'; readonly constant: number }
  /** Scores of each brought to 0…1, weighted and added. */
  | { readonly kind: 'scores'; readonly vectorWeight: number; readonly textWeight: number };

/** One ranking of what is in either; of equals, the lower slot first. */
export function fuse(vectors: Ranked, texts: Ranked, fusion: Fusion): Ranked {
  const total = new Map<number, number>();
  const add = (ranked: Ranked, weights: readonly number[]) => {
    for (const [i, slot] of ranked.slots.entries()) {
      total.set(slot, (total.get(slot) ?? 0) + (weights[i] as number));
    }
  };
  if (fusion.kind === 'ranks') {
    for (const ranked of [vectors, texts])
      add(
        ranked,
        ranked.slots.map((_, rank) => 1 / (fusion.constant + rank + 1)),
      );
  } else {
    add(
      vectors,
      scaled(vectors.scores).map((score) => fusion.vectorWeight * score),
    );
    add(
      texts,
      scaled(texts.scores).map((score) => fusion.textWeight * score),
    );
  }
  const sorted = [...total].toSorted(([slotA, a], [slotB, b]) => b - a || slotA - slotB);
  return { slots: sorted.map(([slot]) => slot), scores: sorted.map(([, score]) => score) };
}

/** Brought to 0…1; where all are equal, all are 1. */
export function scaled(scores: readonly number[]): number[] {
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  return scores.map((score) => (high === low ? 1 : (score - low) / (high - low)));
}

/** The first n. */
export function first({ slots, scores }: Ranked, n: number): Ranked {
  return { slots: slots.slice(0, n), scores: scores.slice(0, n) };
}
