import { setTimeout as sleep } from 'node:timers/promises';
import { TercetError, wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import type { Log } from '@tercet/telemetry';

export interface PoolWatchOptions {
  /** gRPC endpoints of the controllers. */
  readonly endpoints: readonly string[];
  readonly pollMs: number;
  readonly log: Log;
}

/** A pool as its controller told of it. */
export interface WatchedPool {
  readonly status: wire.PoolStatus;
  /** Whether the controller answered the last time; what it told before that is kept. */
  readonly isCurrent: boolean;
}

const answerTimeoutMs = 2000;

/** How the pools stand, asked of their controllers at an interval. No request ever waits for a controller. */
export class PoolWatch implements Disposable {
  readonly #options: PoolWatchOptions;
  readonly #channels: readonly GrpcChannel[];
  readonly #pools = new Map<string, WatchedPool>();
  readonly #stop = new AbortController();

  constructor(options: PoolWatchOptions) {
    this.#options = options;
    this.#channels = options.endpoints.map((endpoint) => GrpcChannel.open(endpoint));
    for (const channel of this.#channels) void this.#watch(channel);
  }

  get pools(): WatchedPool[] {
    return this.#options.endpoints.flatMap((endpoint) => this.#pools.get(endpoint) ?? []);
  }

  /** Whether a controller found that this pod is not what it says. What one said that is gone counts no more. */
  isDistrusted(podId: string): boolean {
    return this.pools.some(({ isCurrent, status }) => isCurrent && status.distrustedPodIds.includes(podId));
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    for (const channel of this.#channels) channel.close();
  }

  async #watch(channel: GrpcChannel): Promise<void> {
    const { pollMs, log } = this.#options;
    const { endpoint } = channel;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const before = this.#pools.get(endpoint);
      try {
        const status = await this.#ask(channel);
        if (before?.isCurrent === false) log.info('controller.back', { endpoint });
        this.#pools.set(endpoint, { status, isCurrent: true });
      } catch (error) {
        if (!(error instanceof TercetError)) throw error;
        if (before?.isCurrent === true) log.info('controller.lost', { endpoint, code: error.code });
        if (before !== undefined) this.#pools.set(endpoint, { ...before, isCurrent: false });
      }
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #ask(channel: GrpcChannel): Promise<wire.PoolStatus> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(answerTimeoutMs)]);
    return channel.client(wire.ControllerDefinition).getPool({}, { signal });
  }
}
