import { TercetError } from '@tercet/contracts';
import type { Rule, State } from './automaton.js';

/**
 * Takes ways out of the rules from which no text ends: a mask would lead into them and find no way on. Refuses rules
 * that no text can be followed through: ones that call themselves before any byte (a schema that is only a reference to
 * itself), and ones without an end (an object that must hold itself).
 * @throws grammar_unsupported
 */
export function checkRules(root: Rule): void {
  const rules = rulesFrom(root);
  const ending = endingRules(rules);
  for (const rule of rules) if (!ending.has(rule)) refuseRules('a value would have to hold itself');
  for (const rule of rules) dropDeadWays(rule);
  const checked = new Set<Rule>();
  for (const rule of rules) checkLeft(rule, new Set(), checked);
}

function rulesFrom(root: Rule): Rule[] {
  const rules = new Set([root]);
  for (const rule of rules) {
    for (const state of statesOf(rule)) for (const call of state.calls) rules.add(call.rule);
  }
  return [...rules];
}

function statesOf(rule: Rule): Set<State> {
  const states = new Set([rule.start]);
  for (const { bytes, skips, calls } of states) {
    for (const { to } of bytes) states.add(to);
    for (const to of skips) states.add(to);
    for (const { to } of calls) states.add(to);
  }
  return states;
}

/** Rules with at least one finite text: grows until nothing is added. */
function endingRules(rules: readonly Rule[]): Set<Rule> {
  // Called rules come after the ones that call them, mostly.
  const calledFirst = rules.toReversed();
  const ending = new Set<Rule>();
  for (let before = -1; before < ending.size; ) {
    before = ending.size;
    for (const rule of calledFirst) if (!ending.has(rule) && reachesEnd(rule, ending)) ending.add(rule);
  }
  return ending;
}

function reachesEnd(rule: Rule, ending: ReadonlySet<Rule>): boolean {
  const states = new Set([rule.start]);
  for (const { bytes, skips, calls, isEnd } of states) {
    if (isEnd) return true;
    for (const { to } of bytes) states.add(to);
    for (const to of skips) states.add(to);
    for (const call of calls) if (ending.has(call.rule)) states.add(call.to);
  }
  return false;
}

function dropDeadWays(rule: Rule): void {
  const states = statesOf(rule);
  const before = new Map<State, State[]>([...states].map((state) => [state, []]));
  for (const state of states) {
    for (const { to } of [...state.bytes, ...state.calls]) before.get(to)?.push(state);
    for (const to of state.skips) before.get(to)?.push(state);
  }
  const live = new Set([...states].filter(({ isEnd }) => isEnd));
  for (const state of live) for (const one of before.get(state) ?? []) live.add(one);
  if (live.size === states.size) return;
  for (const { bytes, calls } of states) {
    keepOnly(bytes, ({ to }) => live.has(to));
    keepOnly(calls, ({ to }) => live.has(to));
  }
}

function keepOnly<T>(out: T[], isKept: (one: T) => boolean): void {
  const kept = out.filter(isKept);
  if (kept.length < out.length) out.splice(0, out.length, ...kept);
}

/** Values never are empty texts, so what follows a call is never first; only blanks are, and they call nothing. */
function checkLeft(rule: Rule, above: Set<Rule>, checked: Set<Rule>): void {
  if (above.has(rule)) refuseRules('a schema refers to itself and nothing else');
  if (checked.has(rule)) return;
  above.add(rule);
  const first = new Set([rule.start]);
  for (const { skips, calls } of first) {
    for (const to of skips) first.add(to);
    for (const call of calls) checkLeft(call.rule, above, checked);
  }
  above.delete(rule);
  checked.add(rule);
}

function refuseRules(reason: string): never {
  throw new TercetError('grammar_unsupported', { reason });
}
