interface LayerWaiter {
  readonly layer: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Layers that become readable one after the other, and those who wait for them. */
export class LayerGate {
  readonly #waiters = new Set<LayerWaiter>();
  #done = 0;
  #failure: { readonly error: unknown } | undefined;

  /** Resolves once the layer is complete. @throws what `fail` was given, the signal's reason */
  async ready(layer: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.error;
    if (layer < this.#done) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: LayerWaiter = { layer, resolve, reject };
    const onAbort = () => {
      this.#waiters.delete(waiter);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waiters.add(waiter);
    await promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  /** The first `done` layers are complete. */
  advance(done: number): void {
    if (done <= this.#done) return;
    this.#done = done;
    for (const waiter of this.#waiters) {
      if (waiter.layer >= done) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** No more layers will be complete. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }
}
