/** Source of time, in milliseconds, for code that may not read the system clock. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start; differences are durations. */
  nowMs(): number;
  /** Milliseconds since 1970-01-01; may jump. */
  unixMs(): number;
}

/** A clock that stands still until it is told to move; both readings advance together. */
export class ManualClock implements Clock {
  #ms: number;

  constructor(startMs = 0) {
    this.#ms = startMs;
  }

  nowMs(): number {
    return this.#ms;
  }

  unixMs(): number {
    return this.#ms;
  }

  advance(ms: number): void {
    this.#ms += ms;
  }
}
