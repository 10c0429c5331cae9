import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@tercet/base';
import { type KeyRefusal, TercetError, toTercetError } from '@tercet/contracts';
import { hasHash } from '@tercet/control-store';
import type { Log } from '@tercet/telemetry';
import { type ApiKeyRecord, isApiKey, type KeyStore, keyIdOf, type Tenant, type TenantLimits } from '@tercet/tenancy';

export interface KeyRingOptions {
  readonly store: KeyStore;
  readonly clock: Clock;
  readonly log: Log;
  /** How often the store is asked whether something changed: a revoked key works no longer than this. */
  readonly pollMs: number;
  /** While the store does not answer, what was read last holds for this long. Then no key does. */
  readonly staleMsMax: number;
}

/** Compared with where no key has the id that was asked for, so that this takes as long. */
const nobody = { hash: '0'.repeat(64) } as ApiKeyRecord;

/** API keys and tenants as they are in the store, read again as soon as somebody changed them. */
export class KeyRing implements AsyncDisposable {
  readonly #options: KeyRingOptions;
  readonly #stop = new AbortController();
  readonly #polling: Promise<void>;
  #keys: ReadonlyMap<string, ApiKeyRecord> = new Map();
  #tenants: ReadonlyMap<string, Tenant> = new Map();
  #version = '';
  #readMs = 0;

  /** @throws store_unavailable */
  static async open(options: KeyRingOptions): Promise<KeyRing> {
    const ring = new KeyRing(options);
    await ring.refresh();
    return ring;
  }

  private constructor(options: KeyRingOptions) {
    this.#options = options;
    this.#polling = this.#keepFresh();
  }

  /**
   * The key that this text is, when it is valid now.
   * @throws unauthenticated with a reason; store_unavailable when what is known is too old to rely on
   */
  keyOf(text: string): ApiKeyRecord {
    const { clock, staleMsMax } = this.#options;
    const staleMs = clock.nowMs() - this.#readMs;
    if (staleMs > staleMsMax) throw new TercetError('store_unavailable', { staleMs: Math.round(staleMs), staleMsMax });
    if (!isApiKey(text))
      throw new TercetError('unauthenticated', { reason: 'not the form of a key' satisfies KeyRefusal });
    const record = this.#keys.get(keyIdOf(text));
    if (!hasHash(record ?? nobody, text) || record === undefined) {
      throw new TercetError('unauthenticated', { reason: 'not known' satisfies KeyRefusal });
    }
    const { id, revokedUnixMs, expiresUnixMs = Number.POSITIVE_INFINITY } = record;
    if (revokedUnixMs !== undefined)
      throw new TercetError('unauthenticated', { keyId: id, reason: 'revoked' satisfies KeyRefusal });
    if (expiresUnixMs <= clock.unixMs())
      throw new TercetError('unauthenticated', { keyId: id, reason: 'expired' satisfies KeyRefusal });
    return record;
  }

  limitsOf(tenant: string): TenantLimits | undefined {
    return this.#tenants.get(tenant);
  }

  /** Reads what changed since the last time. @throws store_unavailable */
  async refresh(): Promise<void> {
    const { store, clock } = this.#options;
    const askedMs = clock.nowMs();
    const version = await store.version();
    if (version !== this.#version) {
      const [keys, tenants] = await Promise.all([store.keys(), store.tenants()]);
      this.#keys = new Map(keys.map((key) => [key.id, key]));
      this.#tenants = new Map(tenants.map((tenant) => [tenant.name, tenant]));
      this.#version = version;
    }
    this.#readMs = askedMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#polling;
  }

  async #keepFresh(): Promise<void> {
    const { pollMs, log } = this.#options;
    const { signal } = this.#stop;
    let answered = true;
    for (;;) {
      await sleep(pollMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.refresh();
        if (!answered) log.info('keys.store_back');
        answered = true;
      } catch (error) {
        if (answered) log.error('keys.store_lost', { error: toTercetError(error, 'store_unavailable') });
        answered = false;
      }
    }
  }
}
