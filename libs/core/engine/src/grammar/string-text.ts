import {
  anyOf,
  byteOf,
  call,
  type Fragment,
  literal,
  newState,
  type Rule,
  ruleOf,
  type State,
  sequence,
} from './automaton.js';
import { type CodePoints, codePointsOf, commonCodePoints, isSubset, lastCodePoint, utf8Of } from './code-points.js';
import { plainCodePoints, unescaped } from './json-text.js';

/**
 * Automata over the characters of a string, as patterns are: their edges are ranges of code points instead of bytes.
 * They are combined as such, where they are small, and written as JSON text at the end.
 */

/** One character of the set. */
export function inSet(set: CodePoints): Fragment {
  return (from, to) => {
    for (const [first, last] of set) from.bytes.push({ first, last, to });
  };
}

/**
 * Characters as they stand within a JSON string: escaped where that must be, and then the one usual way. A fragment of
 * characters goes in and one of bytes comes out.
 */
export function jsonTextOf(characters: Fragment): Fragment {
  const [start, end] = [newState(), newState()];
  characters(start, end);
  return (from, to) => {
    const copies = new Map<State, State>([[start, newState()]]);
    const copyOf = (state: State): State => {
      const known = copies.get(state);
      if (known !== undefined) return known;
      const copy = newState();
      copies.set(state, copy);
      return copy;
    };
    const rules = new Map<string, Rule>();
    const roomy = roomyStates(start);
    for (const [state, copy] of copies) {
      for (const next of state.skips) copy.skips.push(copyOf(next));
      for (const [next, set] of setsOf(state)) {
        characterOf(set, rules)(copy, copyOf(next));
      }
      if (roomy.has(state)) copy.textRoom = Number.POSITIVE_INFINITY;
    }
    from.skips.push(copyOf(start));
    copyOf(end).skips.push(to);
  };
}

/**
 * States that plain text may follow for ever: each plain character leads from one of them straight to another. Found by
 * taking away those where one does not, until none is left to take.
 */
function roomyStates(start: State): Set<State> {
  const roomy = new Set([start]);
  for (const { bytes, skips } of roomy) {
    for (const { to } of bytes) roomy.add(to);
    for (const to of skips) roomy.add(to);
  }
  // The last ones first: what they lead from falls in the same pass.
  const lastFirst = [...roomy].reverse();
  for (let before = -1; before !== roomy.size; ) {
    before = roomy.size;
    for (const state of lastFirst) if (roomy.has(state) && !isRoomy(state, roomy)) roomy.delete(state);
  }
  return roomy;
}

function isRoomy({ bytes }: State, roomy: ReadonlySet<State>): boolean {
  const covered = bytes.filter(({ to }) => roomy.has(to)).map(({ first, last }) => [first, last] as const);
  const mayCover = covered.some(([, last]) => last === lastCodePoint);
  return mayCover && isSubset(plainCodePoints, codePointsOf(...covered));
}

function setsOf(state: State): Map<State, CodePoints> {
  const ranges = new Map<State, (readonly [number, number])[]>();
  for (const { first, last, to } of state.bytes) {
    const known = ranges.get(to);
    if (known === undefined) ranges.set(to, [[first, last]]);
    else known.push([first, last]);
  }
  return new Map([...ranges].map(([to, parts]) => [to, codePointsOf(...parts)]));
}

const shortEscapes = new Map([...'"\\\b\f\n\r\t'].map((one) => [one.charCodeAt(0), JSON.stringify(one).slice(1, -1)]));

/** Sets beyond ASCII take many states; they become rules that are called. */
function characterOf(set: CodePoints, rules: Map<string, Rule>): Fragment {
  if (set.every(isUnescapedAscii)) return inSet(set);
  const key = set.join(' ');
  const rule = rules.get(key) ?? ruleOf(anyOf(utf8Of(commonCodePoints(set, unescaped)), escapeOf(set)));
  rules.set(key, rule);
  return call(rule);
}

function isUnescapedAscii([first, last]: readonly [number, number]): boolean {
  const has = (codePoint: number) => first <= codePoint && codePoint <= last;
  return first >= 0x20 && last <= 0x7e && !has(0x22) && !has(0x5c);
}

function escapeOf(set: CodePoints): Fragment {
  const has = (codePoint: number) => set.some(([first, last]) => first <= codePoint && codePoint <= last);
  const short = [...shortEscapes].filter(([codePoint]) => has(codePoint)).map(([, text]) => literal(text));
  const long = [0, 1].flatMap((high) => {
    const digits = Array.from({ length: 16 }, (_, low) => low).filter((low) => {
      return has(high * 16 + low) && !shortEscapes.has(high * 16 + low);
    });
    if (digits.length === 0) return [];
    return [sequence(literal(`\\u00${high}`), anyOf(...digits.map((low) => byteOf(low.toString(16).charCodeAt(0)))))];
  });
  return anyOf(...short, ...long);
}
