interface Waiter {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** One holder at a time, first come first served: ranges of many pulls share a stream fairly. */
export class Turns {
  #taken = false;
  #closed: unknown;
  readonly #waiting = new Set<Waiter>();

  /** Bounded by the callers: each pull waits at most once. @throws the signal's reason, or what `close` was told */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#closed !== undefined) throw this.#closed;
    if (!this.#taken) {
      this.#taken = true;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { resolve, reject };
    const onAbort = () => {
      if (this.#waiting.delete(waiter)) reject(signal.reason);
    };
    this.#waiting.add(waiter);
    signal.addEventListener('abort', onAbort, { once: true });
    await promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  give(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken = false;
      return;
    }
    this.#waiting.delete(next);
    next.resolve();
  }

  close(reason: unknown): void {
    this.#closed = reason;
    for (const waiter of this.#waiting) waiter.reject(reason);
    this.#waiting.clear();
  }
}
