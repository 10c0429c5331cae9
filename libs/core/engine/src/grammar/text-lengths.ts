import { type Fragment, newState, type State } from './automaton.js';

/** Fewest and most steps of a fragment's texts, where an edge is a step; the most may be infinite. */
export function lengthsOf(fragment: Fragment): { readonly min: number; readonly max: number } {
  const [start, end] = [newState(), newState()];
  fragment(start, end);
  return { min: shortest(start, end), max: longest(start) };
}

function shortest(start: State, end: State): number {
  let here = new Set([start]);
  for (let steps = 0; here.size > 0; steps++) {
    for (const { skips } of here) for (const to of skips) here.add(to);
    if (here.has(end)) return steps;
    here = new Set([...here].flatMap(({ bytes }) => bytes.map(({ to }) => to)));
  }
  return Number.POSITIVE_INFINITY;
}

/** Goes through the states in topological order; a cycle leaves states over. */
function longest(start: State): number {
  const waits = new Map<State, number>([[start, 0]]);
  for (const state of waits.keys()) {
    for (const to of nextOf(state)) waits.set(to, (waits.get(to) ?? 0) + 1);
  }
  const lengths = new Map<State, number>([[start, 0]]);
  const ready = waits.get(start) === 0 ? [start] : [];
  let done = 0;
  let most = 0;
  for (let state = ready.pop(); state !== undefined; state = ready.pop()) {
    done++;
    const length = lengths.get(state) ?? 0;
    most = Math.max(most, length);
    const isStep = new Set(state.bytes.map(({ to }) => to));
    for (const to of nextOf(state)) {
      lengths.set(to, Math.max(lengths.get(to) ?? 0, length + (isStep.has(to) ? 1 : 0)));
      const left = (waits.get(to) as number) - 1;
      waits.set(to, left);
      if (left === 0) ready.push(to);
    }
  }
  return done === waits.size ? most : Number.POSITIVE_INFINITY;
}

function nextOf({ bytes, skips }: State): Set<State> {
  return new Set([...bytes.map(({ to }) => to), ...skips]);
}
