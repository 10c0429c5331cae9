import { type Fragment, newState, type State } from './automaton.js';

/**
 * The same texts with at most one way for each: subsets of states become states. Patterns that repeat repeats have many
 * ways at once, and products of them many times more. A pattern whose subsets are too many (their number can be
 * exponential) comes back as it is.
 * @see Rabin & Scott 1959, "Finite automata and their decision problems", definition 11
 */
export function determinised(fragment: Fragment): Fragment {
  const [start, end] = [newState(), newState()];
  fragment(start, end);
  const subsets = new Subsets(end);
  const first = subsets.of([start]);
  for (const subset of subsets.all) {
    addEdges(subset, subsets);
    if (subsets.work > workMax) return fragment;
  }
  return (from, to) => {
    const copies = new Map([...subsets.all].map((subset) => [subset, newState()]));
    for (const [subset, copy] of copies) {
      for (const { first: low, last, to: next } of subset.edges) {
        copy.bytes.push({ first: low, last, to: copies.get(next) as State });
      }
      if (subset.hasEnd) copy.skips.push(to);
    }
    from.skips.push(copies.get(first) as State);
  };
}

/**
 * States looked at over all subsets: some tens of milliseconds. Patterns as people write them take a thousandth of it.
 */
const workMax = 100_000;

interface Subset {
  /** Only those with edges. */
  readonly states: readonly State[];
  readonly hasEnd: boolean;
  readonly edges: { readonly first: number; last: number; readonly to: Subset }[];
}

class Subsets {
  /** Grows while it is walked. */
  readonly all = new Set<Subset>();
  work = 0;
  readonly #end: State;
  readonly #bySeeds = new Map<string, Subset>();
  readonly #byStates = new Map<string, Subset>();

  constructor(end: State) {
    this.#end = end;
  }

  of(seeds: readonly State[]): Subset {
    this.work += seeds.length;
    const seedKey = keyOf(seeds);
    const known = this.#bySeeds.get(seedKey) ?? this.#closed(seeds);
    this.#bySeeds.set(seedKey, known);
    return known;
  }

  #closed(seeds: readonly State[]): Subset {
    const closure = new Set(seeds);
    for (const { skips } of closure) for (const to of skips) closure.add(to);
    this.work += closure.size;
    const states = [...closure].filter(({ bytes }) => bytes.length > 0);
    const hasEnd = closure.has(this.#end);
    const key = `${keyOf(states)}${hasEnd ? '$' : ''}`;
    const known = this.#byStates.get(key);
    if (known !== undefined) return known;
    const subset = { states, hasEnd, edges: [] };
    this.#byStates.set(key, subset);
    this.all.add(subset);
    return subset;
  }
}

function keyOf(states: readonly State[]): string {
  return states
    .map(({ id }) => id)
    .sort((a, b) => a - b)
    .join(' ');
}

/** Between two borders of ranges the same edges apply: one sweep finds all the subsets that follow. */
function addEdges(subset: Subset, subsets: Subsets): void {
  const changes = new Map<number, { readonly state: State; readonly by: 1 | -1 }[]>();
  const change = (at: number, state: State, by: 1 | -1) => {
    const known = changes.get(at);
    if (known === undefined) changes.set(at, [{ state, by }]);
    else known.push({ state, by });
  };
  for (const { bytes } of subset.states) {
    for (const { first, last, to } of bytes) {
      change(first, to, 1);
      change(last + 1, to, -1);
      subsets.work++;
    }
  }
  const borders = [...changes.keys()].sort((a, b) => a - b);
  const active = new Map<State, number>();
  borders.forEach((first, i) => {
    for (const { state, by } of changes.get(first) ?? []) {
      const count = (active.get(state) ?? 0) + by;
      if (count === 0) active.delete(state);
      else active.set(state, count);
    }
    if (active.size === 0 || subsets.work > workMax) return;
    const to = subsets.of([...active.keys()]);
    const last = (borders[i + 1] as number) - 1;
    const before = subset.edges.at(-1);
    if (before?.to === to && before.last === first - 1) before.last = last;
    else subset.edges.push({ first, last, to });
  });
}
