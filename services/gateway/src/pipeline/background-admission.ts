import { TercetError } from '@tercet/contracts';
import type { Admission, Place, PlaceNeed } from './admission.js';

/**
 * Places for work that nobody waits for: at most `runningMax`, and only those that requests leave. Requests never see
 * it: they enter as if it were not there, and one that finds every place taken is made room for.
 */
export class BackgroundAdmission {
  readonly #requests: Admission;
  readonly #runningMax: number;
  #running = 0;
  #makeRoom: (() => void) | undefined;

  constructor(requests: Admission, runningMax: number) {
    this.#requests = requests;
    this.#runningMax = runningMax;
    requests.onEnter(() => {
      if (requests.running + this.#running > requests.runningMax) this.#makeRoom?.();
    });
  }

  /** How many more may enter. */
  get room(): number {
    const { running, runningMax } = this.#requests;
    return Math.max(0, Math.min(this.#runningMax, runningMax - running) - this.#running);
  }

  /** @param makeRoom ends one that entered, when a request took its place */
  onCrowded(makeRoom: () => void): void {
    this.#makeRoom = makeRoom;
  }

  /** Tokens are charged to the tenant as those of requests are. @throws overloaded, rate_limited, shutting_down */
  async enter(need: PlaceNeed, signal: AbortSignal): Promise<Place> {
    if (this.#requests.isClosed) throw new TercetError('shutting_down');
    signal.throwIfAborted();
    if (this.room === 0) throw new TercetError('overloaded', { backgroundMax: this.#runningMax });
    const settle = this.#requests.chargeAside(need);
    this.#running++;
    let used = 0;
    let left = false;
    return {
      settle: (tokens) => {
        used = tokens;
      },
      [Symbol.dispose]: () => {
        if (left) return;
        left = true;
        this.#running--;
        settle(used);
      },
    };
  }
}
