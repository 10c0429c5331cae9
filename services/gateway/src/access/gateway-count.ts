import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { toTercetError } from '@tercet/contracts';
import type { Log } from '@tercet/telemetry';
import type { TenantLimits } from '@tercet/tenancy';

/** Where gateways that share tenants say that they are there. */
export interface Presence {
  /** @returns how many are there, this one included; those that were not heard of for so long are not */
  beat(id: string, goneMs: number): Promise<number>;
  leave(id: string): Promise<void>;
}

export interface GatewayCountOptions {
  readonly presence: Presence;
  readonly log: Log;
  readonly beatMs?: number;
}

const defaultBeatMs = 1000;
const goneAfterBeats = 10;

/**
 * How many gateways serve the same tenants, as far as this one knows: each gives its part of what a tenant may have.
 * While the store does not answer, it is as many as before.
 */
export class GatewayCount implements AsyncDisposable {
  readonly #options: GatewayCountOptions;
  readonly #id = randomUUID();
  readonly #stop = new AbortController();
  readonly #beating: Promise<void>;
  #gateways = 1;

  /** @throws store_unavailable */
  static async open(options: GatewayCountOptions): Promise<GatewayCount> {
    const count = new GatewayCount(options);
    await count.#beat();
    return count;
  }

  private constructor(options: GatewayCountOptions) {
    this.#options = options;
    this.#beating = this.#keepBeating();
  }

  /**
   * This gateway's part of the limits. Rates are divided; of requests at a time every gateway lets in at least one.
   */
  partOf(limits: TenantLimits): TenantLimits {
    return partOf(limits, this.#gateways);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#beating;
    // One that cannot say so is found out.
    await this.#options.presence.leave(this.#id).catch(() => undefined);
  }

  async #beat(): Promise<void> {
    const { presence, beatMs = defaultBeatMs } = this.#options;
    this.#gateways = await presence.beat(this.#id, goneAfterBeats * beatMs);
  }

  async #keepBeating(): Promise<void> {
    const { log, beatMs = defaultBeatMs } = this.#options;
    const { signal } = this.#stop;
    for (let known = 1; ; ) {
      await sleep(beatMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#beat();
        if (this.#gateways !== known) log.info('tenants.shared', { gateways: this.#gateways });
        known = this.#gateways;
      } catch (error) {
        if (known !== 0) log.info('tenants.uncounted', { failure: toTercetError(error) });
        known = 0;
      }
    }
  }
}

export function partOf(limits: TenantLimits, gateways: number): TenantLimits {
  const { requestsPerMinute, tokensPerMinute, concurrency } = limits;
  return {
    ...limits,
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute: requestsPerMinute / gateways }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute: tokensPerMinute / gateways }),
    ...(concurrency === undefined ? {} : { concurrency: Math.max(1, Math.floor(concurrency / gateways)) }),
  };
}
