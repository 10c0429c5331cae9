import type { SchedulerState, Waiting } from './state.js';

/**
 * Who is next among the waiting: first whatever waited `agedSteps`, in order of arrival; else the oldest work of the
 * tenant that was served the longest ago. Ageing bounds the wait whatever other tenants send.
 */
export class FairOrder {
  readonly #left: Waiting[];
  readonly #turns: Map<string, number>;
  readonly #step: number;
  readonly #agedSteps: number;
  #nextTurn: number;

  constructor(state: SchedulerState, agedSteps: number) {
    this.#left = [...state.waiting];
    this.#turns = new Map(state.tenantTurns);
    this.#step = state.step;
    this.#agedSteps = agedSteps;
    this.#nextTurn = state.nextTurn;
  }

  /** The next work, without taking it. */
  peek(): Waiting | undefined {
    let best: Waiting | undefined;
    let bestTurn = Number.POSITIVE_INFINITY;
    for (const work of this.#left) {
      if (this.isAged(work)) return work;
      const turn = this.#turns.get(work.tenant) ?? -1;
      if (turn < bestTurn) {
        best = work;
        bestTurn = turn;
      }
    }
    return best;
  }

  isAged(work: Waiting): boolean {
    return this.#step - work.sinceStep >= this.#agedSteps;
  }

  /** Takes it: its tenant had its turn. */
  take(work: Waiting): void {
    this.skip(work);
    this.#turns.set(work.tenant, this.#nextTurn);
    this.#nextTurn++;
  }

  /** Leaves it for another step: its tenant keeps its turn. */
  skip(work: Waiting): void {
    this.#left.splice(this.#left.indexOf(work), 1);
  }
}
