import type { Clock } from '@tercet/base';
import { TercetError, type wire } from '@tercet/contracts';
import { Deadline } from './deadline.js';
import type { Demand } from './demand.js';
import type { PodSource } from './stage-calls.js';

export interface HoldLimits {
  /** How long a request waits for a pod of a stage, while one restarts for example. */
  readonly podWaitMs: number;
  /** How long it waits for a pool that sleeps, and how many may wait for one. */
  readonly holdMs: number;
  readonly heldMax: number;
}

/** Port: what the controllers said of the pools. */
export interface PoolSleeps {
  /** Of the pool of a model that has no pods, or has asked for them; `undefined` while it has its pods. */
  sleepOf(model: string): wire.PoolSleep | undefined;
  /** Tells the controllers at once what there is to do. */
  reportSoon(): void;
}

export interface HoldingOptions {
  readonly pods: Pick<PodSource<unknown>, 'changed'>;
  readonly pools: PoolSleeps;
  readonly demand: Demand;
  readonly limits: HoldLimits;
  readonly clock: Clock;
}

/** A pool of which nothing changes is looked at so often: it may have fallen asleep meanwhile. */
const lookMs = 250;
const retryAfterMsMin = 1000;

/** Keeps requests that find no pod: for a short time where one should be there, for longer where a pool has to wake. */
export class Holding {
  readonly #options: HoldingOptions;
  readonly #held = new Map<string, number>();

  constructor(options: HoldingOptions) {
    this.#options = options;
  }

  /** A request for the model is here until the result is disposed. */
  enter(model: string): Disposable {
    return this.#options.demand.enter(model);
  }

  /**
   * Tries until something is found, again whenever anything about a pod changed.
   * @throws no_pod when a pod that should be there is missing for too long; pool_waking when too many wait for the pool
   *   to wake, or this one did for too long; what the signal says
   */
  async until<T>(model: string, find: () => T | undefined, signal: AbortSignal): Promise<T> {
    const first = find();
    if (first !== undefined) return first;
    const { demand, pools, clock } = this.#options;
    using _demand = demand.hold(model);
    using place = new Place(this.#held, model);
    pools.reportSoon();
    const beganMs = clock.nowMs();
    for (;;) {
      const leftMs = this.#patience(place, clock.nowMs() - beganMs);
      await this.#changed(Math.min(lookMs, leftMs), signal);
      const found = find();
      if (found !== undefined) return found;
    }
  }

  /** How much longer it waits. */
  #patience(place: Place, waitedMs: number): number {
    const { pools, limits } = this.#options;
    const sleep = pools.sleepOf(place.model);
    if (sleep !== undefined && !place.tryTake(limits.heldMax)) throw this.#waking(sleep, { heldMax: limits.heldMax });
    const limitMs = place.isTaken ? limits.holdMs : limits.podWaitMs;
    if (waitedMs < limitMs) return limitMs - waitedMs;
    if (!place.isTaken) throw new TercetError('no_pod');
    throw this.#waking(sleep, { holdMs: limits.holdMs });
  }

  #waking(sleep: wire.PoolSleep | undefined, limit: Readonly<Record<string, number>>): TercetError {
    const { state = 'awake', sinceUnixMs = 0n, wakeMs = 0 } = sleep ?? {};
    const wakingMs = state === 'waking' ? this.#options.clock.unixMs() - Number(sinceUnixMs) : 0;
    return new TercetError('pool_waking', { ...limit, retryAfterMs: Math.max(retryAfterMsMin, wakeMs - wakingMs) });
  }

  async #changed(ms: number, signal: AbortSignal): Promise<void> {
    using look = new Deadline(ms, signal);
    try {
      await this.#options.pods.changed(look.signal);
    } catch (error) {
      if (!look.passed) throw error;
    }
    signal.throwIfAborted();
  }
}

/** One of the places of a pool that wakes. */
class Place implements Disposable {
  readonly model: string;
  readonly #held: Map<string, number>;
  #isTaken = false;

  constructor(held: Map<string, number>, model: string) {
    this.#held = held;
    this.model = model;
  }

  get isTaken(): boolean {
    return this.#isTaken;
  }

  tryTake(max: number): boolean {
    const held = this.#held.get(this.model) ?? 0;
    if (this.#isTaken || held >= max) return this.#isTaken;
    this.#held.set(this.model, held + 1);
    this.#isTaken = true;
    return true;
  }

  [Symbol.dispose](): void {
    if (this.#isTaken) this.#held.set(this.model, (this.#held.get(this.model) ?? 0) - 1);
  }
}
