import { assert } from '@tercet/base';
import { type Fragment, newState, type State } from './automaton.js';

/**
 * Texts of both fragments, which must not call rules; undefined when there is none. The product of their states,
 * without those from which no text ends: a mask would lead into them and find no way on.
 */
export function intersectionOf(a: Fragment, b: Fragment): Fragment | undefined {
  const [startA, endA, startB, endB] = [newState(), newState(), newState(), newState()];
  a(startA, endA);
  b(startB, endB);
  const pairs = new Map<string, Pair>();
  const start = pairOf(pairs, startA, startB);
  for (const pair of pairs.values()) addEdges(pairs, pair);
  const end = pairs.get(keyOf(endA, endB));
  if (end === undefined) return undefined;
  const kept = pairsBefore(end);
  if (!kept.has(start)) return undefined;
  return (from, to) => {
    const states = new Map([...kept].map((pair) => [pair, newState()]));
    for (const [pair, state] of states) {
      for (const { first, last, to: next } of pair.bytes) {
        const target = states.get(next);
        if (target !== undefined) state.bytes.push({ first, last, to: target });
      }
      for (const next of pair.skips) {
        const target = states.get(next);
        if (target !== undefined) state.skips.push(target);
      }
    }
    from.skips.push(states.get(start) as State);
    states.get(end)?.skips.push(to);
  };
}

interface Pair {
  readonly a: State;
  readonly b: State;
  readonly skips: Pair[];
  readonly bytes: { readonly first: number; readonly last: number; readonly to: Pair }[];
  readonly before: Pair[];
}

function keyOf(a: State, b: State): string {
  return `${a.id}.${b.id}`;
}

function pairOf(pairs: Map<string, Pair>, a: State, b: State): Pair {
  const key = keyOf(a, b);
  const known = pairs.get(key);
  if (known !== undefined) return known;
  // Counted as a state, so that products stay within the limit of their grammar.
  newState();
  const pair = { a, b, skips: [], bytes: [], before: [] };
  pairs.set(key, pair);
  return pair;
}

function addEdges(pairs: Map<string, Pair>, pair: Pair): void {
  const { a, b } = pair;
  assert(a.calls.length === 0 && b.calls.length === 0, 'an intersection of rules that call others');
  for (const to of a.skips) pair.skips.push(pairOf(pairs, to, b));
  for (const to of b.skips) pair.skips.push(pairOf(pairs, a, to));
  for (const one of a.bytes) {
    for (const other of b.bytes) {
      const first = Math.max(one.first, other.first);
      const last = Math.min(one.last, other.last);
      if (first <= last) pair.bytes.push({ first, last, to: pairOf(pairs, one.to, other.to) });
    }
  }
  for (const next of pair.skips) next.before.push(pair);
  for (const { to } of pair.bytes) to.before.push(pair);
}

function pairsBefore(end: Pair): Set<Pair> {
  const kept = new Set([end]);
  for (const pair of kept) for (const before of pair.before) kept.add(before);
  return kept;
}
