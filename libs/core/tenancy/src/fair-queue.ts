import { type Priority, priorities } from './tenant.js';

/** What waits: whose it is, and what serving it will take. */
export interface Queued {
  readonly tenant: string;
  readonly priority: Priority;
  readonly weight: number;
  /** In tokens; an estimate. */
  readonly cost: number;
  readonly sinceMs: number;
}

/** The requests of one tenant in one priority class, in order of arrival. */
interface Flow<T extends Queued> {
  readonly waiting: T[];
  /** Cost served so far, divided by weight. */
  served: number;
}

/**
 * Start-time fair queueing over tenants. Of the flows that wait, the one with the least cost served per weight goes
 * next; a flow that comes back from a pause begins where the others are, and so saves up nothing. Classes of priority
 * go before that, and a request rises one class for each `agingMs` that it waited: a low class waits longer, not for
 * ever.
 * Cost: a look at the head of every flow for each request served.
 * @see Goyal, Vin & Cheng 1996, "Start-time fair queueing"; costs here are corrected once they are known
 */
export class FairQueue<T extends Queued> {
  readonly #agingMs: number;
  readonly #flows = new Map<string, Flow<T>>();
  /** Served cost per weight at which the latest request started: where a flow begins that had nothing waiting. */
  #now = 0;
  #size = 0;

  constructor(options: { readonly agingMs: number }) {
    this.#agingMs = options.agingMs;
  }

  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    const flow = this.#flow(item);
    if (flow.waiting.length === 0) flow.served = Math.max(flow.served, this.#now);
    flow.waiting.push(item);
    this.#size++;
  }

  /** Takes the request that goes next among the tenants that may start one; `undefined` when none may. */
  take(mayStart: (tenant: string) => boolean, nowMs: number): T | undefined {
    let best: { flow: Flow<T>; head: T; rank: number } | undefined;
    for (const flow of this.#flows.values()) {
      const head = flow.waiting[0];
      if (head === undefined || !mayStart(head.tenant)) continue;
      const rank = this.#rank(head, nowMs);
      if (best === undefined || comesBefore({ flow, head, rank }, best)) best = { flow, head, rank };
    }
    if (best === undefined) return undefined;
    best.flow.waiting.shift();
    this.#size--;
    this.#charge(best.flow, best.head);
    return best.head;
  }

  /** Counts a request that started without waiting. */
  started(item: T): void {
    const flow = this.#flow(item);
    flow.served = Math.max(flow.served, this.#now);
    this.#charge(flow, item);
  }

  /** What a started request took turned out to be another cost than it was charged. */
  correct(item: T, cost: number): void {
    const flow = this.#flow(item);
    flow.served += (cost - item.cost) / item.weight;
  }

  /** Takes a request out that will not be served. */
  remove(item: T): void {
    const { waiting } = this.#flow(item);
    const index = waiting.indexOf(item);
    if (index < 0) return;
    waiting.splice(index, 1);
    this.#size--;
  }

  /** Forgets flows that a newcomer would not differ from, and so bounds what is kept to those with a history. */
  forgetIdle(): void {
    for (const [name, flow] of this.#flows) {
      if (flow.waiting.length === 0 && flow.served <= this.#now) this.#flows.delete(name);
    }
  }

  #flow({ tenant, priority }: Queued): Flow<T> {
    const name = `${priority} ${tenant}`;
    const known = this.#flows.get(name);
    if (known !== undefined) return known;
    const flow: Flow<T> = { waiting: [], served: this.#now };
    this.#flows.set(name, flow);
    return flow;
  }

  #charge(flow: Flow<T>, { cost, weight }: Queued): void {
    this.#now = Math.max(this.#now, flow.served);
    flow.served += cost / weight;
  }

  /** Class of priority, less one for each `agingMs` waited; never above the highest. */
  #rank({ priority, sinceMs }: Queued, nowMs: number): number {
    return Math.max(0, priorities.indexOf(priority) - Math.floor((nowMs - sinceMs) / this.#agingMs));
  }
}

type Candidate = { readonly flow: { readonly served: number }; readonly head: Queued; readonly rank: number };

function comesBefore(a: Candidate, b: Candidate): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank;
  if (a.flow.served !== b.flow.served) return a.flow.served < b.flow.served;
  return a.head.sinceMs < b.head.sinceMs;
}
