import type { Clock } from '@tercet/base';
import type { wire } from '@tercet/contracts';

interface Counts {
  /** Requests that are here, and those of them that wait for a pod. */
  here: number;
  held: number;
  /** When the last one came or went. */
  lastMs: number;
}

/** What this gateway has to do for each model: its controller lets a pool sleep without work, and wakes it for some. */
export class Demand {
  readonly #clock: Clock;
  readonly #models = new Map<string, Counts>();

  constructor(models: readonly string[], clock: Clock) {
    this.#clock = clock;
    for (const model of models) this.#models.set(model, { here: 0, held: 0, lastMs: clock.nowMs() });
  }

  /** A request for the model is here until the result is disposed. */
  enter(model: string): Disposable {
    return this.#counted(model, 'here');
  }

  /** One that is here waits for a pod until the result is disposed. */
  hold(model: string): Disposable {
    return this.#counted(model, 'held');
  }

  report(): wire.ModelDemand[] {
    const nowMs = this.#clock.nowMs();
    return [...this.#models].map(([model, { here, held, lastMs }]) => {
      return { model, running: here - held, held, idleMs: here > 0 ? 0 : nowMs - lastMs };
    });
  }

  #counted(model: string, count: 'here' | 'held'): Disposable {
    const counts = this.#models.get(model);
    // Of a model that no pool has.
    if (counts === undefined) return { [Symbol.dispose]: () => undefined };
    const change = (by: number) => {
      counts[count] += by;
      counts.lastMs = this.#clock.nowMs();
    };
    change(1);
    return { [Symbol.dispose]: () => change(-1) };
  }
}
