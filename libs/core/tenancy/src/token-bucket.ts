import { assert } from '@tercet/base';

const minuteMs = 60_000;

/**
 * A rate per minute that may be used in bursts of at most one minute's amount. What is taken ahead is an estimate and
 * settled later, so the level may fall below zero: such a debt is paid before anything is taken again, and over any
 * stretch of time what was used stays under one burst plus the rate, plus what a single request takes.
 */
export class TokenBucket {
  #perMinute: number;
  #level: number;
  #atMs: number;

  constructor(perMinute: number, nowMs: number) {
    assert(perMinute > 0, 'rate of a bucket', perMinute);
    this.#perMinute = perMinute;
    this.#level = perMinute;
    this.#atMs = nowMs;
  }

  /**
   * @param leave share of a full bucket that must be left to others
   * @returns 0 when the amount was taken; else in how many milliseconds it can be, if nobody takes any meanwhile
   */
  take(amount: number, nowMs: number, leave = 0): number {
    this.#fill(nowMs);
    // More than a full bucket can never be there: it waits for a full one, and leaves a debt.
    const needed = Math.min(amount + leave * this.#perMinute, this.#perMinute);
    if (this.#level >= needed) {
      this.#level -= amount;
      return 0;
    }
    return Math.ceil(((needed - this.#level) * minuteMs) / this.#perMinute);
  }

  /** Corrects what was taken: positive gives back, negative takes more, into debt if need be. */
  give(amount: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#level = Math.min(this.#perMinute, this.#level + amount);
  }

  /** Goes on with another rate; what was used stays used. */
  setRate(perMinute: number, nowMs: number): void {
    if (perMinute === this.#perMinute) return;
    assert(perMinute > 0, 'rate of a bucket', perMinute);
    this.#fill(nowMs);
    this.#level = Math.min(perMinute, this.#level + Math.max(0, perMinute - this.#perMinute));
    this.#perMinute = perMinute;
  }

  level(nowMs: number): number {
    this.#fill(nowMs);
    return this.#level;
  }

  isFull(nowMs: number): boolean {
    return this.level(nowMs) >= this.#perMinute;
  }

  #fill(nowMs: number): void {
    const passedMs = Math.max(0, nowMs - this.#atMs);
    this.#level = Math.min(this.#perMinute, this.#level + (passedMs * this.#perMinute) / minuteMs);
    this.#atMs = nowMs;
  }
}
