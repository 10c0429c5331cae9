/** What was said while nobody listened is over: it says nothing about the load of now. */
const staleMs = 30_000;
/** Until a clock that seems to be far behind is taken for such: what waited in the log is caught up with sooner. */
const doubtMs = 10_000;
/** What reaches us so much sooner after it was said than anything before makes us begin anew. */
const toleranceMs = 1000;
const producersMax = 4096;

interface Known {
  /** The least time from its clock's saying to our hearing: how far its clock is behind ours, and the way. */
  readonly behindMs: number;
  /** Since when that is so, but for the tolerance, and what it was then. */
  readonly sinceMs: number;
  readonly firstMs: number;
}

/**
 * Tells what is old from what was said by a clock that differs from ours. Whoever speaks once a second is heard with
 * one delay; what waited in the log comes with delays that shrink as it is caught up with.
 */
export class ProducerClocks {
  /** The producer that was heard longest ago comes first. */
  readonly #known = new Map<string, Known>();

  /**
   * @param saidMs by the clock of the producer
   * @returns what to add to its times to have them by ours; undefined when what it says is over
   */
  behindMs(producerId: string, saidMs: number, nowMs: number): number | undefined {
    const delayMs = nowMs - saidMs;
    const known = this.#known.get(producerId);
    const isNew = known === undefined || delayMs < known.firstMs - toleranceMs;
    const now = isNew
      ? { behindMs: delayMs, sinceMs: nowMs, firstMs: delayMs }
      : { ...known, behindMs: Math.min(known.behindMs, delayMs) };
    this.#remember(producerId, now);
    if (delayMs - now.behindMs > staleMs) return undefined;
    const isDoubtful = now.behindMs > staleMs && nowMs - now.sinceMs < doubtMs;
    return isDoubtful ? undefined : now.behindMs;
  }

  #remember(producerId: string, known: Known): void {
    this.#known.delete(producerId);
    this.#known.set(producerId, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > producersMax && oldest !== undefined) this.#known.delete(oldest);
  }
}
