import { TercetError } from '@tercet/contracts';

/** Requests that run at a time; one more is refused at once, so that the client can go elsewhere. */
export class Admission {
  readonly runningMax: number;
  readonly #onEnter: (() => void)[] = [];
  #running = 0;
  #closed = false;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(runningMax: number) {
    this.runningMax = runningMax;
  }

  get running(): number {
    return this.#running;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** The listener hears of every request that enters. */
  onEnter(listener: () => void): void {
    this.#onEnter.push(listener);
  }

  /** @throws overloaded, shutting_down */
  enter(): Disposable {
    if (this.#closed) throw new TercetError('shutting_down');
    const { runningMax } = this;
    if (this.#running >= runningMax) throw new TercetError('overloaded', { runningMax });
    this.#running++;
    for (const listener of this.#onEnter) listener();
    let left = false;
    return {
      [Symbol.dispose]: () => {
        if (left) return;
        left = true;
        this.#running--;
        if (this.#running === 0) this.#idle?.resolve();
      },
    };
  }

  /** Takes no new requests; resolves when those that run are done. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#running === 0) return;
    this.#idle ??= Promise.withResolvers();
    await this.#idle.promise;
  }
}
