import { TercetError } from '@tercet/contracts';
import type { Rule, State } from './automaton.js';

/** Where a rule goes on when the one that it called returns. */
interface Frame {
  readonly id: number;
  readonly to: State;
  /** Undefined: `to` is a place of the grammar's own rule. */
  readonly parent: Frame | undefined;
}

interface Place {
  readonly state: State;
  readonly frame: Frame | undefined;
}

/** All places that a text may be at. Equal sets are one object as long as the cache holds it. */
export interface TextState {
  /** Only places that a byte leads on from. */
  readonly places: readonly Place[];
  /** The text is whole. */
  readonly mayEnd: boolean;
  readonly textRoom: number;
  /** By byte; null leads nowhere, undefined is not known yet. */
  readonly next: (TextState | null | undefined)[];
}

/** Places of one text at once: only schemas whose alternatives nest in each other without a difference come near. */
const placesMax = 2048;

/**
 * Follows texts through a grammar byte by byte. A text state is a set of stacks; equal frames, and equal sets, are made
 * once, so that a state learns its successors once, for all texts and for the walk over the vocabulary.
 */
export class TextStates {
  readonly start: TextState;
  readonly #statesMax: number;
  readonly #frames = new Map<string, Frame>();
  readonly #states = new Map<string, TextState>();
  #nextFrameId = 1;

  /** @param statesMax states kept for reuse, 2 KB each; beyond it all are forgotten and learnt again. */
  constructor(rule: Rule, statesMax: number) {
    this.#statesMax = statesMax;
    const start = this.#close([{ state: rule.start, frame: undefined }]);
    if (start === null) throw new TercetError('grammar_unsupported', { reason: 'no text fits' });
    this.start = start;
  }

  /** Null when no text of the grammar goes on like this. @throws grammar_unsupported for too many places at once */
  step(state: TextState, byte: number): TextState | null {
    const known = state.next[byte];
    if (known !== undefined) return known;
    const seeds: Place[] = [];
    for (const { state: from, frame } of state.places) {
      for (const { first, last, to } of from.bytes) if (first <= byte && byte <= last) seeds.push({ state: to, frame });
    }
    const next = this.#close(seeds);
    state.next[byte] = next;
    return next;
  }

  /** Follows skips, calls and returns to all places that a byte leads on from. */
  #close(seeds: readonly Place[]): TextState | null {
    const open = [...seeds];
    const seen = new Set<string>();
    const places = new Map<string, Place>();
    let mayEnd = false;
    let textRoom = 0;
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      const { state, frame } = place;
      const key = `${state.id}.${frame?.id ?? 0}`;
      if (seen.has(key)) continue;
      seen.add(key);
      if (seen.size > placesMax * 8) throw new TercetError('grammar_unsupported', { reason: 'too ambiguous' });
      if (state.textRoom > textRoom) textRoom = state.textRoom;
      if (state.bytes.length > 0) places.set(key, place);
      for (const to of state.skips) open.push({ state: to, frame });
      for (const { rule, to } of state.calls) open.push({ state: rule.start, frame: this.#frame(to, frame) });
      if (!state.isEnd) continue;
      if (frame === undefined) mayEnd = true;
      else open.push({ state: frame.to, frame: frame.parent });
    }
    return places.size === 0 && !mayEnd ? null : this.#state(places, { mayEnd, textRoom });
  }

  #frame(to: State, parent: Frame | undefined): Frame {
    const key = `${to.id}.${parent?.id ?? 0}`;
    const known = this.#frames.get(key);
    if (known !== undefined) return known;
    const frame = { id: this.#nextFrameId++, to, parent };
    this.#frames.set(key, frame);
    return frame;
  }

  #state(places: ReadonlyMap<string, Place>, rest: { readonly mayEnd: boolean; readonly textRoom: number }): TextState {
    if (places.size > placesMax) throw new TercetError('grammar_unsupported', { reason: 'too ambiguous' });
    const key = `${[...places.keys()].sort().join(' ')}${rest.mayEnd ? '$' : ''}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    // Texts hold on to their own states, which then learn their successors again.
    if (this.#states.size >= this.#statesMax) this.#forget();
    const state = { places: [...places.values()], ...rest, next: new Array<TextState | null | undefined>(256) };
    this.#states.set(key, state);
    return state;
  }

  #forget(): void {
    for (const { next } of this.#states.values()) next.fill(undefined);
    this.#states.clear();
    this.#frames.clear();
  }
}
