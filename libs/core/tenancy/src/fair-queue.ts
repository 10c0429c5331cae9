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

/** The requests of one tenant in one class, in order of arrival. */
interface Flow<T extends Queued> {
  readonly waiting: T[];
  /** Cost served so far, divided by weight. */
  served: number;
}

/** The tenants of one priority. */
interface PriorityClass<T extends Queued> {
  readonly flows: Map<string, Flow<T>>;
  /** What a request had been served per weight when it was the latest to start: where a flow begins that was away. */
  served: number;
  servedMs: number;
}

/**
 * Start-time fair queueing over the tenants of each priority. Of the flows that wait, the one with the least cost
 * served per weight goes next; a flow that comes back from a pause begins where the others are, and so saves up
 * nothing. A class goes before all lower ones, but one that was passed over for `agingMs`, twice that for the lowest,
 * is due one request: a low class waits longer, not for ever, and shares within a class stay what they are.
 * Cost: a look at the head of every flow for each request served.
 * @see Goyal, Vin & Cheng 1996, "Start-time fair queueing"; costs here are corrected once they are known
 */
export class FairQueue<T extends Queued> {
  readonly #agingMs: number;
  readonly #classes: readonly PriorityClass<T>[];
  #size = 0;

  constructor(options: { readonly agingMs: number }) {
    this.#agingMs = options.agingMs;
    this.#classes = priorities.map(() => ({ flows: new Map(), served: 0, servedMs: Number.NEGATIVE_INFINITY }));
  }

  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    const flow = this.#flow(item);
    if (flow.waiting.length === 0) flow.served = Math.max(flow.served, this.#class(item).served);
    flow.waiting.push(item);
    this.#size++;
  }

  /** Takes the request that goes next among the tenants that may start one; `undefined` when none may. */
  take(mayStart: (tenant: string) => boolean, nowMs: number): T | undefined {
    const heads = this.#classes.map((each) => headsOf(each, mayStart));
    const isDue = (at: number) => at > 0 && this.#passedOverMs(at, heads[at] ?? [], nowMs) >= at * this.#agingMs;
    const due = heads.findLastIndex((_, at) => isDue(at));
    const at = due >= 0 ? due : heads.findIndex((waiting) => waiting.length > 0);
    const first = heads[at]?.reduce((best, next) => (comesBefore(next, best) ? next : best));
    if (first === undefined) return undefined;
    first.flow.waiting.shift();
    this.#size--;
    this.#charge(first.flow, first.item);
    this.#class(first.item).servedMs = nowMs;
    return first.item;
  }

  /** Counts a request that started without waiting. */
  started(item: T): void {
    const flow = this.#flow(item);
    flow.served = Math.max(flow.served, this.#class(item).served);
    this.#charge(flow, item);
  }

  /** What a started request took turned out to be another cost than it was charged. */
  correct(item: T, cost: number): void {
    this.#flow(item).served += (cost - item.cost) / item.weight;
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
    for (const { flows, served } of this.#classes) {
      for (const [tenant, flow] of flows) {
        if (flow.waiting.length === 0 && flow.served <= served) flows.delete(tenant);
      }
    }
  }

  #class({ priority }: Queued): PriorityClass<T> {
    return this.#classes[priorities.indexOf(priority)] as PriorityClass<T>;
  }

  #flow(item: T): Flow<T> {
    const { flows, served } = this.#class(item);
    const known = flows.get(item.tenant);
    if (known !== undefined) return known;
    const flow: Flow<T> = { waiting: [], served };
    flows.set(item.tenant, flow);
    return flow;
  }

  #charge(flow: Flow<T>, item: T): void {
    const of = this.#class(item);
    of.served = Math.max(of.served, flow.served);
    flow.served += item.cost / item.weight;
  }

  /** How long requests of a class have waited since one of them was served. */
  #passedOverMs(at: number, heads: readonly Head<T>[], nowMs: number): number {
    if (heads.length === 0) return Number.NEGATIVE_INFINITY;
    const oldestMs = Math.min(...heads.map(({ item }) => item.sinceMs));
    return nowMs - Math.max(oldestMs, this.#classes[at]?.servedMs ?? 0);
  }
}

interface Head<T extends Queued> {
  readonly flow: Flow<T>;
  readonly item: T;
}

/** The oldest request of each tenant of a class that may start one. */
function headsOf<T extends Queued>({ flows }: PriorityClass<T>, mayStart: (tenant: string) => boolean): Head<T>[] {
  const heads: Head<T>[] = [];
  for (const flow of flows.values()) {
    const [item] = flow.waiting;
    if (item !== undefined && mayStart(item.tenant)) heads.push({ flow, item });
  }
  return heads;
}

function comesBefore(a: Head<Queued>, b: Head<Queued>): boolean {
  if (a.flow.served !== b.flow.served) return a.flow.served < b.flow.served;
  return a.item.sinceMs < b.item.sinceMs;
}
