import { setTimeout as sleep } from 'node:timers/promises';
import { TercetError, wire } from '@tercet/contracts';
import { GrpcChannel, type GrpcTls } from '@tercet/grpc';
import type { Log } from '@tercet/telemetry';
import { type Discovery, followEndpoints } from './discovery.js';

export interface PoolWatchOptions {
  readonly gatewayId: string;
  /** Where the controllers are: in a cluster also those that stand by. */
  readonly discovery: Discovery;
  readonly pollMs: number;
  readonly tls?: GrpcTls | undefined;
  /** What this gateway has to do for each model. */
  readonly demand: () => readonly wire.ModelDemand[];
  readonly log: Log;
}

/** A pool as its controller told of it. */
export interface WatchedPool {
  readonly status: wire.PoolStatus;
  /** Whether the controller answered the last time; what it told before that is kept. */
  readonly isCurrent: boolean;
}

interface KnownPool extends WatchedPool {
  /** Of the controller that told of it last. */
  readonly endpoint: string;
}

interface Watched {
  readonly channel: GrpcChannel;
  readonly gone: AbortController;
}

const answerTimeoutMs = 2000;
/**
 * How the pools stand, asked of their controllers at an interval, and with the question what there is to do. No request
 * ever waits for a controller.
 */
export class PoolWatch implements Disposable {
  readonly #options: PoolWatchOptions;
  readonly #controllers = new Map<string, Watched>();
  readonly #pools = new Map<string, KnownPool>();
  readonly #stop = new AbortController();
  #hurry = new AbortController();

  constructor(options: PoolWatchOptions) {
    this.#options = options;
    const { discovery, log } = options;
    const onFound = (endpoints: readonly string[]) => this.#follow(endpoints);
    const onLost = (error: TercetError) => log.error('controllers.discovery_failed', { error });
    void followEndpoints(discovery, { onFound, onLost }, this.#stop.signal);
  }

  get pools(): WatchedPool[] {
    return [...this.#pools.values()];
  }

  /** Whether a controller found that this pod is not what it says. What one said that is gone counts no more. */
  isDistrusted(podId: string): boolean {
    return this.pools.some(({ isCurrent, status }) => isCurrent && status.distrustedPodIds.includes(podId));
  }

  /** How the pool of a model sleeps, or wakes; `undefined` while it has its pods, or nobody tells of it. */
  sleepOf(model: string): wire.PoolSleep | undefined {
    const sleeps = this.pools.filter(({ status }) => status.model === model).map(({ status }) => status.sleep);
    return sleeps.find((found) => found !== undefined && found.state !== 'awake');
  }

  /** Tells the controllers at once what there is to do. */
  reportSoon(): void {
    this.#hurry.abort();
    this.#hurry = new AbortController();
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    for (const { channel } of this.#controllers.values()) channel.close();
  }

  #follow(endpoints: readonly string[]): void {
    if (this.#stop.signal.aborted) return;
    for (const [endpoint, { channel, gone }] of this.#controllers) {
      if (endpoints.includes(endpoint)) continue;
      this.#controllers.delete(endpoint);
      gone.abort();
      channel.close();
      this.#lose(endpoint);
    }
    for (const endpoint of endpoints.filter((each) => !this.#controllers.has(each))) {
      const watched = { channel: GrpcChannel.open(endpoint, this.#options.tls), gone: new AbortController() };
      this.#controllers.set(endpoint, watched);
      void this.#watch(watched);
    }
  }

  async #watch({ channel, gone }: Watched): Promise<void> {
    const { pollMs, log } = this.#options;
    const { endpoint } = channel;
    const signal = AbortSignal.any([this.#stop.signal, gone.signal]);
    let isThere = true;
    while (!signal.aborted) {
      const hurry = this.#hurry.signal;
      try {
        const { pools } = await this.#report(channel, signal);
        if (!isThere) log.info('controller.back', { endpoint });
        isThere = true;
        this.#learn(endpoint, pools);
      } catch (error) {
        if (!(error instanceof TercetError)) throw error;
        if (isThere && !signal.aborted) log.info('controller.lost', { endpoint, code: error.code });
        isThere = false;
        this.#lose(endpoint);
      }
      const either = AbortSignal.any([signal, hurry]);
      await sleep(pollMs, undefined, { signal: either }).catch(() => undefined);
    }
  }

  #learn(endpoint: string, told: readonly wire.PoolStatus[]): void {
    for (const [name, known] of this.#pools) {
      if (known.endpoint === endpoint && !told.some((status) => status.name === name)) this.#pools.delete(name);
    }
    for (const status of told) this.#pools.set(status.name, { status, isCurrent: true, endpoint });
  }

  #lose(endpoint: string): void {
    for (const [name, known] of this.#pools) {
      if (known.endpoint === endpoint) this.#pools.set(name, { ...known, isCurrent: false });
    }
  }

  #report(channel: GrpcChannel, over: AbortSignal): Promise<wire.PoolList> {
    const { gatewayId, demand } = this.#options;
    const signal = AbortSignal.any([over, AbortSignal.timeout(answerTimeoutMs)]);
    return channel.client(wire.ControllerDefinition).reportDemand({ gatewayId, demand: [...demand()] }, { signal });
  }
}
