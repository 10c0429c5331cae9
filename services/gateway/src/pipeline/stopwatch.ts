import type { Clock } from '@tercet/base';
import type { Timeline, TtftParts } from './request.js';

/** What the prefill pod says of its own time. */
export interface PrefillTimes {
  readonly transferMs: number;
  readonly queueMs: number;
}

type Mark = 'fetched' | 'planned' | 'encoded' | 'first' | 'second' | 'last';

/**
 * Marks along the critical path of a request, so that the parts of TTFT follow one another and add up to it. A replay
 * after the first token does not move what came before.
 */
export class Stopwatch {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #marks = new Map<Mark, number>();
  #fetchMs = 0;
  #prefill: PrefillTimes = { transferMs: 0, queueMs: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.nowMs();
  }

  get hasFirstToken(): boolean {
    return this.#marks.has('first');
  }

  /** Time since the request came, ms. */
  elapsedMs(): number {
    return this.#clock.nowMs() - this.#startMs;
  }

  /** Before the first token, a later attempt overwrites the marks of an earlier one: its time becomes queue time. */
  mark(name: 'planned' | 'encoded'): void {
    if (!this.hasFirstToken) this.#marks.set(name, this.elapsedMs());
  }

  async fetching<T>(work: Promise<T>): Promise<T> {
    const startMs = this.elapsedMs();
    const result = await work;
    this.#fetchMs = this.elapsedMs() - startMs;
    return result;
  }

  token(prefill?: PrefillTimes): void {
    const now = this.elapsedMs();
    if (!this.hasFirstToken) {
      this.#marks.set('first', now);
      if (prefill !== undefined) this.#prefill = prefill;
    } else if (!this.#marks.has('second')) this.#marks.set('second', now);
    this.#marks.set('last', now);
  }

  parts(): TtftParts {
    const planned = this.#marks.get('planned') ?? 0;
    const encoded = this.#marks.get('encoded') ?? planned;
    const first = this.#marks.get('first') ?? encoded;
    const inPrefill = first - encoded;
    const mediaTransferMs = Math.min(this.#prefill.transferMs, inPrefill);
    const prefillQueueMs = Math.min(this.#prefill.queueMs, inPrefill - mediaTransferMs);
    return {
      queueMs: planned - this.#fetchMs,
      mediaFetchMs: this.#fetchMs,
      encodeMs: encoded - planned,
      mediaTransferMs,
      prefillQueueMs,
      prefillMs: inPrefill - mediaTransferMs - prefillQueueMs,
    };
  }

  times(tokens: number): Pick<Timeline, 'ttftMs' | 'parts' | 'handoverMs' | 'decodeMs' | 'tokensPerSecond'> {
    const ttftMs = this.#marks.get('first') ?? 0;
    const last = this.#marks.get('last') ?? ttftMs;
    const second = this.#marks.get('second') ?? last;
    const tokensPerSecond = last > ttftMs ? ((tokens - 1) * 1000) / (last - ttftMs) : 0;
    return { ttftMs, parts: this.parts(), handoverMs: second - ttftMs, decodeMs: last - second, tokensPerSecond };
  }
}
