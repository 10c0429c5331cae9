export interface StopMatch {
  /** Text that is certain to stand before any stop string. */
  readonly text: string;
  readonly stopped: boolean;
}

/** Ends a streamed text before the stop string that is whole first, however its pieces are cut. */
export class StopMatcher {
  readonly #stops: readonly string[];
  #held = '';
  #stopped = false;

  /** @param stops empty strings are ignored */
  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '');
  }

  /** Holds back only what may still become a stop string. After a stop, everything is dropped. */
  push(text: string): StopMatch {
    if (this.#stopped) return { text: '', stopped: true };
    const seen = this.#held + text;
    const found = firstWhole(seen, this.#stops);
    if (found !== undefined) {
      this.#stopped = true;
      this.#held = '';
      return { text: seen.slice(0, found), stopped: true };
    }
    const keep = Math.max(0, ...this.#stops.map((stop) => overlap(seen, stop)));
    this.#held = seen.slice(seen.length - keep);
    return { text: seen.slice(0, seen.length - keep), stopped: false };
  }

  /** No more text comes: what was held back belongs to the answer. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }
}

/** Where the stop string begins that is whole first; of those that end together, the longest. */
function firstWhole(text: string, stops: readonly string[]): number | undefined {
  let best: { from: number; end: number } | undefined;
  for (const stop of stops) {
    const from = text.indexOf(stop);
    const end = from + stop.length;
    if (from < 0) continue;
    if (best === undefined || end < best.end || (end === best.end && from < best.from)) best = { from, end };
  }
  return best?.from;
}

/** Length of the longest end of the text that begins the stop string. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}
