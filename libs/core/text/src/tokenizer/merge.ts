/**
 * Joins neighbours of a chain, the best pair first (of equal ones the leftmost), until no pair can be joined. Byte-pair
 * encoding: priority is the rank of the merge. SentencePiece: minus the score of the joined piece. O(n log n).
 * @param priorityOf lower joins earlier; `undefined`: the two never join
 * @see Sennrich et al. 2016, arXiv:1508.07909; Kudo & Richardson 2018, arXiv:1808.06226
 */
export function mergePieces(
  symbols: readonly string[],
  priorityOf: (left: string, right: string) => number | undefined,
): string[] {
  const pieces: (string | undefined)[] = [...symbols];
  const next = Int32Array.from(symbols, (_, i) => (i + 1 < symbols.length ? i + 1 : -1));
  const previous = Int32Array.from(symbols, (_, i) => i - 1);
  const heap = new PairHeap();
  const offer = (left: number) => {
    const right = left < 0 ? -1 : (next[left] as number);
    if (right < 0) return;
    const joined = [pieces[left] as string, pieces[right] as string] as const;
    const priority = priorityOf(...joined);
    if (priority !== undefined) heap.push({ priority, left, text: joined[0], other: joined[1] });
  };
  for (let i = 0; i + 1 < symbols.length; i++) offer(i);
  for (let pair = heap.pop(); pair !== undefined; pair = heap.pop()) {
    const { left, text, other } = pair;
    const right = next[left] as number;
    if (pieces[left] !== text || right < 0 || pieces[right] !== other) continue;
    pieces[left] = text + other;
    pieces[right] = undefined;
    const after = next[right] as number;
    next[left] = after;
    if (after >= 0) previous[after] = left;
    offer(previous[left] as number);
    offer(left);
  }
  return pieces.filter((piece) => piece !== undefined);
}

interface Pair {
  readonly priority: number;
  readonly left: number;
  /** What both sides were when the pair was offered: a pair that has changed since is passed over. */
  readonly text: string;
  readonly other: string;
}

/** Binary heap: the lowest priority first, then the leftmost. */
class PairHeap {
  readonly #pairs: Pair[] = [];

  push(pair: Pair): void {
    const pairs = this.#pairs;
    let at = pairs.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(pair, pairs[parent] as Pair)) break;
      pairs[at] = pairs[parent] as Pair;
      at = parent;
    }
    pairs[at] = pair;
  }

  pop(): Pair | undefined {
    const pairs = this.#pairs;
    const top = pairs[0];
    const last = pairs.pop();
    if (last === undefined || pairs.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= pairs.length) break;
      if (child + 1 < pairs.length && before(pairs[child + 1] as Pair, pairs[child] as Pair)) child++;
      if (!before(pairs[child] as Pair, last)) break;
      pairs[at] = pairs[child] as Pair;
      at = child;
    }
    pairs[at] = last;
    return top;
  }
}

function before(a: Pair, b: Pair): boolean {
  return a.priority < b.priority || (a.priority === b.priority && a.left < b.left);
}
