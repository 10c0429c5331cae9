import type { Clock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import {
  AdmissionControl,
  type AdmissionLimits,
  anonymous,
  lowerPriority,
  type Priority,
  type Refusal,
  type TenantLimits,
  type Ticket,
} from '@tercet/tenancy';

export interface AdmissionOptions {
  readonly limits: AdmissionLimits;
  /** How long a request waits for room at most. */
  readonly waitMsMax: number;
  readonly limitsOf: (tenant: string) => TenantLimits;
  readonly clock: Clock;
  /** Hears how many run and wait after every change. */
  readonly onChange?: (counts: { readonly running: number; readonly waiting: number }) => void;
  /** Hears of every request that gets no room, by the limit that it met. */
  readonly onRefused?: (limit: Refusal['limit']) => void;
}

export interface PlaceNeed {
  readonly tenant: string;
  /** Of the prompt and the longest answer, estimated. */
  readonly tokens: number;
  /** Below that of the tenant, where it is given; never above. */
  readonly priority?: Priority | undefined;
}

/** The right to run. It ends with its disposal, and is paid by the tokens that it was told. */
export interface Place extends Disposable {
  /** Tokens that the request took in truth, of prompt and answer; 0 until it is told. */
  settle(tokens: number): void;
}

/**
 * Requests that run at a time. When all room is taken, those of a tenant wait in its queue, and anonymous ones are
 * refused at once, so that the client can go elsewhere.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #control: AdmissionControl;
  readonly #waiting = new Map<Ticket, PromiseWithResolvers<void>>();
  readonly #onEnter: (() => void)[] = [];
  #closed = false;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#control = new AdmissionControl(options.limits);
  }

  get runningMax(): number {
    return this.#options.limits.runningMax;
  }

  get running(): number {
    return this.#control.running;
  }

  get waiting(): number {
    return this.#control.waiting;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** The listener hears of every request that runs from now on. */
  onEnter(listener: () => void): void {
    this.#onEnter.push(listener);
  }

  /** @throws overloaded, rate_limited, shutting_down, and the reason of the signal when it aborts first */
  async enter(need: PlaceNeed, signal: AbortSignal): Promise<Place> {
    if (this.#closed) throw new TercetError('shutting_down');
    signal.throwIfAborted();
    const { limitsOf, clock } = this.#options;
    const { tenant, tokens } = need;
    const limits = limitsOf(tenant);
    const priority = lowerPriority(limits.priority, need.priority ?? limits.priority);
    const ask = { tenant, limits, priority, tokens, mayWait: tenant !== anonymous };
    const arrival = this.#control.arrive(ask, clock.nowMs());
    if (arrival.kind === 'refused') throw this.#refused(arrival.refusal, limits);
    this.#changed();
    if (arrival.kind === 'waiting') await this.#untilStarted(arrival.ticket, signal);
    return this.#place(arrival.ticket);
  }

  /**
   * Charges work that takes no place to the tokens of its tenant.
   * @returns how it is told what the work took in truth
   * @throws rate_limited while the tenant has too few
   */
  chargeAside({ tenant, tokens: charged }: PlaceNeed): (used: number) => void {
    const { limitsOf, clock } = this.#options;
    const limits = limitsOf(tenant);
    const retryAfterMs = this.#control.chargeAside({ tenant, limits, tokens: charged }, clock.nowMs());
    if (retryAfterMs > 0) {
      throw new TercetError('rate_limited', { tokensPerMinute: limits.tokensPerMinute, retryAfterMs });
    }
    return (used) => this.#control.settleAside(tenant, { charged, used }, clock.nowMs());
  }

  /** Requests of each tenant, and what is left of its rates. */
  tenants(): ReturnType<AdmissionControl['tenants']> {
    return this.#control.tenants(this.#options.clock.nowMs());
  }

  /** Takes no new requests, refuses those that wait; resolves when those that run are done. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waiting.values()) reject(new TercetError('shutting_down'));
    if (this.running === 0) return;
    this.#idle ??= Promise.withResolvers();
    await this.#idle.promise;
  }

  async #untilStarted(ticket: Ticket, signal: AbortSignal): Promise<void> {
    const started = Promise.withResolvers<void>();
    this.#waiting.set(ticket, started);
    const tooLong = new TercetError('overloaded');
    const timer = setTimeout(() => started.reject(tooLong), this.#options.waitMsMax);
    const onAbort = () => started.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await started.promise;
    } catch (error) {
      // It was given room in the same turn in which it gave up: the room goes on to the next.
      if (!this.#waiting.delete(ticket)) this.#leave(ticket, 0);
      else {
        const refusal = this.#control.withdraw(ticket, this.#options.clock.nowMs());
        this.#changed();
        if (error === tooLong) throw this.#refused(refusal, ticket.limits);
      }
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  #place(ticket: Ticket): Place {
    for (const listener of this.#onEnter) listener();
    let used = 0;
    let left = false;
    return {
      settle: (tokens) => {
        used = tokens;
      },
      [Symbol.dispose]: () => {
        if (left) return;
        left = true;
        this.#leave(ticket, used);
      },
    };
  }

  #leave(ticket: Ticket, usedTokens: number): void {
    for (const next of this.#control.leave(ticket, usedTokens, this.#options.clock.nowMs())) {
      this.#waiting.get(next)?.resolve();
      this.#waiting.delete(next);
    }
    this.#changed();
    if (this.running === 0) this.#idle?.resolve();
  }

  #refused({ code, limit, retryAfterMs }: Refusal, tenant: TenantLimits): TercetError {
    const { limits, onRefused } = this.#options;
    onRefused?.(limit);
    const value = limit === 'runningMax' || limit === 'tenantsMax' ? limits[limit] : tenant[limit];
    return new TercetError(code, { [limit]: value, retryAfterMs });
  }

  #changed(): void {
    const { running, waiting } = this;
    this.#options.onChange?.({ running, waiting });
  }
}
