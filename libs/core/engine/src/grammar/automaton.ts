import { TercetError } from '@tercet/contracts';

/**
 * A text's grammar as a recursive transition network: rules are automata over bytes whose edges may also call a rule.
 * Fragments build a rule from parts, as Thompson's construction does for regular expressions.
 */

export interface ByteEdge {
  readonly first: number;
  readonly last: number;
  readonly to: State;
}

/** A place in a rule. Ids are unique among all grammars, so that grammars can share rules. */
export interface State {
  readonly id: number;
  readonly bytes: ByteEdge[];
  readonly skips: State[];
  readonly calls: { readonly rule: Rule; readonly to: State }[];
  /** The rule may return here. */
  isEnd: boolean;
  /** So many plain characters (see token-trie.ts) may follow whatever they are, and more may follow them. */
  textRoom: number;
}

export interface Rule {
  readonly start: State;
}

/** Adds edges, and states between them, that lead from one state to another. */
export type Fragment = (from: State, to: State) => void;

let stateCount = 0;
let stateCountMax = Number.POSITIVE_INFINITY;

/** @throws grammar_unsupported within {@link limitStates}, past its limit */
export function newState(): State {
  if (stateCount >= stateCountMax) throw new TercetError('grammar_unsupported', { reason: 'too large' });
  return { id: stateCount++, bytes: [], skips: [], calls: [], isEnd: false, textRoom: 0 };
}

/** Runs a build that may make so many states: counts within counts grow without a bound otherwise. */
export function limitStates<T>(count: number, build: () => T): T {
  stateCountMax = stateCount + count;
  try {
    return build();
  } finally {
    stateCountMax = Number.POSITIVE_INFINITY;
  }
}

/** A rule that can be called before it is filled, so that rules can call themselves. */
export function declareRule(): { readonly rule: Rule; fill(body: Fragment): void } {
  const rule = { start: newState() };
  return {
    rule,
    fill(body) {
      const end = newState();
      end.isEnd = true;
      body(rule.start, end);
    },
  };
}

export function ruleOf(body: Fragment): Rule {
  const { rule, fill } = declareRule();
  fill(body);
  return rule;
}

/** One byte of [first, last]. */
export function byteOf(first: number, last: number = first): Fragment {
  return (from, to) => from.bytes.push({ first, last, to });
}

const utf8 = new TextEncoder();

/** These characters, as UTF-8. */
export function literal(text: string): Fragment {
  return sequence(...Array.from(utf8.encode(text), (byte) => byteOf(byte)));
}

export function call(rule: Rule): Fragment {
  return (from, to) => from.calls.push({ rule, to });
}

export const nothing: Fragment = (from, to) => from.skips.push(to);

export function sequence(...parts: readonly Fragment[]): Fragment {
  return (from, to) => {
    let at = from;
    parts.forEach((part, index) => {
      const next = index === parts.length - 1 ? to : newState();
      part(at, next);
      at = next;
    });
    if (parts.length === 0) nothing(from, to);
  };
}

/** Any one of these; no part at all leads nowhere. */
export function anyOf(...parts: readonly Fragment[]): Fragment {
  return (from, to) => {
    for (const part of parts) {
      // A state of its own for each part: a part may loop at its first state.
      const start = newState();
      nothing(from, start);
      part(start, to);
    }
  };
}

export function optional(part: Fragment): Fragment {
  return anyOf(part, nothing);
}

/** `part` from `min` to `max` times; `max` may be infinite. `textRoomOf` tells the room before the count-th time. */
export function repeat(
  part: Fragment,
  { min, max }: { readonly min: number; readonly max: number },
  textRoomOf: (count: number) => number = () => 0,
): Fragment {
  return (from, to) => {
    let at = newState();
    nothing(from, at);
    const last = max === Number.POSITIVE_INFINITY ? min : max;
    for (let count = 0; ; count++) {
      at.textRoom = textRoomOf(count);
      if (count >= min) nothing(at, to);
      if (count === last) break;
      const next = newState();
      part(at, next);
      at = next;
    }
    if (max === Number.POSITIVE_INFINITY) part(at, at);
  };
}
