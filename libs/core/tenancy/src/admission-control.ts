import { assert } from '@tercet/base';
import { FairQueue, type Queued } from './fair-queue.js';
import type { Priority, TenantLimits } from './tenant.js';
import { TokenBucket } from './token-bucket.js';

export interface AdmissionLimits {
  /** Requests that run at a time, of all tenants. */
  readonly runningMax: number;
  /** Requests of one tenant that wait at a time. */
  readonly waitingMax: number;
  /** A class of priority that was passed over for this long, the lowest for twice as long, is due one request. */
  readonly agingMs: number;
  /** Tenants that are remembered; one more is refused while all of them have something to remember. */
  readonly tenantsMax: number;
}

/** A request that wants to run. */
export interface Ask {
  readonly tenant: string;
  readonly limits: TenantLimits;
  readonly priority: Priority;
  /** Estimate of the prompt, and the answer at its longest; settled when it is known. */
  readonly tokens: number;
  /** Whether it may wait for room. */
  readonly mayWait: boolean;
}

/** A request that was let in: it runs, or it waits. */
export interface Ticket extends Queued {
  readonly limits: TenantLimits;
}

export interface Refusal {
  /** `rate_limited`: the tenant's own limits. `overloaded`: there is no room. */
  readonly code: 'rate_limited' | 'overloaded';
  readonly limit: 'requestsPerMinute' | 'tokensPerMinute' | 'concurrency' | 'runningMax' | 'tenantsMax';
  /** When trying again may help. */
  readonly retryAfterMs: number;
}

export type Arrival =
  | { readonly kind: 'running'; readonly ticket: Ticket }
  | { readonly kind: 'waiting'; readonly ticket: Ticket }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

interface Account {
  requests: TokenBucket | undefined;
  tokens: TokenBucket | undefined;
  /** The latest that is known: limits change while the system runs. */
  concurrencyMax: number;
  running: number;
  waiting: number;
}

const retryAfterMs = 1000;
const shareLeftToRequests = 0.5;

/**
 * Who runs, who waits and who is refused. A request is charged ahead to the rates of its tenant. While there is room it
 * runs at once; when all room is taken it waits in the queue of its tenant, and what becomes free goes to the tenants
 * by priority and fair share. No request waits that could run by the limits with which the latest one of its tenant
 * came.
 * Cost: a look at each tenant that waits, for each request that starts.
 */
export class AdmissionControl {
  readonly #limits: AdmissionLimits;
  readonly #queue: FairQueue<Ticket>;
  readonly #accounts = new Map<string, Account>();
  readonly #waiting = new Set<Ticket>();
  #running = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
    this.#queue = new FairQueue(limits);
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  arrive(ask: Ask, nowMs: number): Arrival {
    const account = this.#account(ask, nowMs);
    if (account === undefined) return refused('overloaded', 'tenantsMax', retryAfterMs);
    const { tenant, limits, priority, tokens: cost } = ask;
    const late = charge(account, cost, nowMs);
    if (late !== undefined) return late;
    const ticket: Ticket = { tenant, limits, priority, weight: limits.weight, cost, sinceMs: nowMs };
    if (this.#running < this.#limits.runningMax && hasRoom(account)) {
      this.#queue.started(ticket);
      this.#start(account);
      return { kind: 'running', ticket };
    }
    if (!ask.mayWait || account.waiting >= this.#limits.waitingMax) {
      giveBack(account, cost, nowMs);
      return { kind: 'refused', refusal: noRoom(account) };
    }
    account.waiting++;
    this.#waiting.add(ticket);
    this.#queue.push(ticket);
    return { kind: 'waiting', ticket };
  }

  /**
   * A running request has ended.
   * @param usedTokens of prompt and answer, as far as they were computed
   * @returns those that run from now on
   */
  leave(ticket: Ticket, usedTokens: number, nowMs: number): Ticket[] {
    const account = this.#accountOf(ticket);
    assert(account.running > 0 && this.#running > 0, 'more requests left than ran', ticket.tenant);
    account.running--;
    this.#running--;
    account.tokens?.give(ticket.cost - usedTokens, nowMs);
    this.#queue.correct(ticket, usedTokens);
    return this.#startNext(nowMs);
  }

  /**
   * Work that takes no place: it is charged ahead to the tokens of its tenant alone, and leaves half of a minute's
   * amount to requests.
   * @returns 0 when it was charged; else in how many milliseconds it may be
   */
  chargeAside(ask: Pick<Ask, 'tenant' | 'limits' | 'tokens'>, nowMs: number): number {
    const account = this.#account(ask, nowMs);
    if (account === undefined) return retryAfterMs;
    return account.tokens?.take(ask.tokens, nowMs, shareLeftToRequests) ?? 0;
  }

  /** Corrects what was charged aside by what was used. */
  settleAside(tenant: string, { charged, used }: { charged: number; used: number }, nowMs: number): void {
    this.#accounts.get(tenant)?.tokens?.give(charged - used, nowMs);
  }

  /** A waiting request gives up: it is charged nothing. @returns what kept it waiting */
  withdraw(ticket: Ticket, nowMs: number): Refusal {
    assert(this.#waiting.delete(ticket), 'only what waits can be withdrawn', ticket.tenant);
    const account = this.#accountOf(ticket);
    account.waiting--;
    this.#queue.remove(ticket);
    giveBack(account, ticket.cost, nowMs);
    return noRoom(account);
  }

  /** What is known of each tenant now. */
  tenants(nowMs: number): { tenant: string; running: number; waiting: number; tokensLeft?: number }[] {
    return [...this.#accounts].map(([tenant, { running, waiting, tokens }]) => ({
      tenant,
      running,
      waiting,
      ...(tokens === undefined ? {} : { tokensLeft: Math.floor(tokens.level(nowMs)) }),
    }));
  }

  #startNext(nowMs: number): Ticket[] {
    const started: Ticket[] = [];
    const mayStart = (tenant: string) => hasRoom(this.#accounts.get(tenant) as Account);
    while (this.#running < this.#limits.runningMax) {
      const ticket = this.#queue.take(mayStart, nowMs);
      if (ticket === undefined) break;
      const account = this.#accountOf(ticket);
      account.waiting--;
      this.#waiting.delete(ticket);
      this.#start(account);
      started.push(ticket);
    }
    return started;
  }

  #start(account: Account): void {
    account.running++;
    this.#running++;
  }

  /** The account of a tenant with the limits that it has now; `undefined` when no more tenants can be remembered. */
  #account({ tenant, limits }: Pick<Ask, 'tenant' | 'limits'>, nowMs: number): Account | undefined {
    const known = this.#accounts.get(tenant);
    if (known === undefined && this.#accounts.size >= this.#limits.tenantsMax) this.#forgetIdle(nowMs);
    if (known === undefined && this.#accounts.size >= this.#limits.tenantsMax) return undefined;
    const account: Account = known ?? {
      requests: undefined,
      tokens: undefined,
      concurrencyMax: 0,
      running: 0,
      waiting: 0,
    };
    account.requests = bucketFor(account.requests, limits.requestsPerMinute, nowMs);
    account.tokens = bucketFor(account.tokens, limits.tokensPerMinute, nowMs);
    account.concurrencyMax = limits.concurrency ?? Number.POSITIVE_INFINITY;
    this.#accounts.set(tenant, account);
    return account;
  }

  #accountOf({ tenant }: Ticket): Account {
    const account = this.#accounts.get(tenant);
    assert(account !== undefined, 'a request without an account', tenant);
    return account;
  }

  #forgetIdle(nowMs: number): void {
    this.#queue.forgetIdle();
    for (const [tenant, { running, waiting, requests, tokens }] of this.#accounts) {
      const isFull = requests?.isFull(nowMs) !== false && tokens?.isFull(nowMs) !== false;
      if (running + waiting === 0 && isFull) this.#accounts.delete(tenant);
    }
  }
}

function bucketFor(bucket: TokenBucket | undefined, rate: number | undefined, nowMs: number): TokenBucket | undefined {
  if (rate === undefined) return undefined;
  bucket?.setRate(rate, nowMs);
  return bucket ?? new TokenBucket(rate, nowMs);
}

/** Charges both rates, or neither and says which was too late. */
function charge({ requests, tokens }: Account, cost: number, nowMs: number): Arrival | undefined {
  const requestsMs = requests?.take(1, nowMs) ?? 0;
  if (requestsMs > 0) return refused('rate_limited', 'requestsPerMinute', requestsMs);
  const tokensMs = tokens?.take(cost, nowMs) ?? 0;
  if (tokensMs === 0) return undefined;
  requests?.give(1, nowMs);
  return refused('rate_limited', 'tokensPerMinute', tokensMs);
}

function giveBack({ requests, tokens }: Account, cost: number, nowMs: number): void {
  requests?.give(1, nowMs);
  tokens?.give(cost, nowMs);
}

function hasRoom({ running, concurrencyMax }: Account): boolean {
  return running < concurrencyMax;
}

function noRoom(account: Account): Refusal {
  if (hasRoom(account)) return { code: 'overloaded', limit: 'runningMax', retryAfterMs };
  return { code: 'rate_limited', limit: 'concurrency', retryAfterMs };
}

function refused(code: Refusal['code'], limit: Refusal['limit'], afterMs: number): Arrival {
  return { kind: 'refused', refusal: { code, limit, retryAfterMs: afterMs } };
}
