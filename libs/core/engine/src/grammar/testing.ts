import type { Rule } from './automaton.js';
import { type TextState, TextStates } from './text-state.js';

const utf8 = new TextEncoder();

/** How a text stands with a rule: `whole` may end here, `open` may go on only, `outside` is none of its texts. */
export function standingOf(rule: Rule, text: string | Uint8Array): 'whole' | 'open' | 'outside' {
  const states = new TextStates(rule, 4096);
  let state: TextState | null = states.start;
  for (const byte of typeof text === 'string' ? utf8.encode(text) : text) {
    if (state !== null) state = states.step(state, byte);
  }
  if (state === null) return 'outside';
  return state.mayEnd ? 'whole' : 'open';
}

export function allows(rule: Rule, text: string | Uint8Array): boolean {
  return standingOf(rule, text) === 'whole';
}
