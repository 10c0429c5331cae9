import { TercetError } from '@tercet/contracts';

/** Aborts with the signal, or by itself when the time is over. */
export class Deadline implements Disposable {
  readonly signal: AbortSignal;
  readonly #over = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number, signal: AbortSignal) {
    this.#timer = setTimeout(() => this.#over.abort(new TercetError('deadline_exceeded', { timeoutMs: ms })), ms);
    this.signal = AbortSignal.any([signal, this.#over.signal]);
  }

  get passed(): boolean {
    return this.#over.signal.aborted;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
