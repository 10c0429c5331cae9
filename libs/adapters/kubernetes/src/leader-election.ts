import { setTimeout as sleep } from 'node:timers/promises';
import { type V1Lease, V1MicroTime } from '@kubernetes/client-node';
import type { Clock } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import type { KubernetesApi } from './api.js';
import { statusOf, toClusterError } from './errors.js';
import { type LeaseRecord, type LeaseSighting, leaseStep, sighted } from './lease.js';

export interface LeaderElectionOptions {
  readonly api: KubernetesApi;
  /** Name of the lease. */
  readonly name: string;
  /** Who this is; no two processes at a time have the same. */
  readonly identity: string;
  readonly clock: Clock;
  readonly durationMs?: number;
  /** What went wrong with the lease; it is tried again. */
  onFailure(error: TercetError): void;
}

/** Shares of the lease's duration: between two tries, and after which a leader that could not renew stops leading. */
const tryShare = 1 / 6;
const holdShare = 2 / 3;
const durationMsDefault = 6000;

/** Lets one process of several lead at a time, by a Lease of the cluster. */
export class LeaderElection {
  readonly #options: LeaderElectionOptions & { readonly durationMs: number };
  #sighting: LeaseSighting | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = { ...options, durationMs: options.durationMs ?? durationMsDefault };
  }

  /**
   * Leads whenever it can until the signal aborts. `lead` is called with the term, which no other leader has had, and
   * with a signal that aborts when the lease is lost, earlier than anybody else can take it; it returns soon then.
   */
  async run(lead: (term: number, signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const term = await this.#try();
      if (term !== undefined) await this.#lead(term, { lead, signal });
      await this.#pause(signal);
    }
  }

  async #lead(
    term: number,
    { lead, signal }: { lead: (term: number, signal: AbortSignal) => Promise<void>; signal: AbortSignal },
  ): Promise<void> {
    const { clock, durationMs, identity, name } = this.#options;
    const lost = new AbortController();
    const lose = () => lost.abort(new TercetError('leadership_lost', { lease: name, term }));
    const over = AbortSignal.any([signal, lost.signal]);
    const holdMs = durationMs * holdShare;
    // Not the answer of a try ends it, but its time: a server that hangs answers too late.
    let timer = setTimeout(lose, holdMs);
    const led = lead(term, over).finally(lose);
    led.catch(() => undefined);
    while (!over.aborted) {
      await this.#pause(over);
      if (over.aborted) break;
      const beganMs = clock.nowMs();
      const held = (await this.#try()) === term;
      if (this.#sighting?.record.holder !== identity) lose();
      if (!held) continue;
      clearTimeout(timer);
      timer = setTimeout(lose, Math.max(0, beganMs + holdMs - clock.nowMs()));
    }
    clearTimeout(timer);
    try {
      await led;
    } finally {
      await this.#giveUp();
    }
  }

  /** @returns the term when the lease is ours now; `undefined` when it is another's, or nobody answers */
  async #try(): Promise<number | undefined> {
    const { identity, clock, onFailure, name } = this.#options;
    try {
      const stored = await this.#read();
      this.#sighting = stored && sighted(this.#sighting, recordOf(stored), clock.nowMs());
      const step = leaseStep(identity, this.#sighting, clock.nowMs());
      if (step.kind === 'wait') return undefined;
      // A lease that was removed and made again goes on above its terms: they grow more slowly than time.
      const term = step.kind === 'create' ? Math.floor(clock.unixMs() / 1000) : step.term;
      const written = await this.#write(stored, { holder: identity, term, isNew: step.kind !== 'renew' });
      this.#sighting = { record: recordOf(written), firstSeenMs: clock.nowMs() };
      return term;
    } catch (error) {
      if (statusOf(error) !== 409) onFailure(toClusterError(error, { lease: name }));
      return undefined;
    }
  }

  /** So that the next one need not wait for its end. Nothing is lost when it fails. */
  async #giveUp(): Promise<void> {
    const { identity, onFailure, name } = this.#options;
    try {
      const stored = await this.#read();
      if (stored === undefined || stored.spec?.holderIdentity !== identity) return;
      await this.#write(stored, { holder: '', term: recordOf(stored).term, isNew: false });
    } catch (error) {
      onFailure(toClusterError(error, { lease: name }));
    }
  }

  async #read(): Promise<V1Lease | undefined> {
    const { api, name } = this.#options;
    try {
      return await api.coordination.readNamespacedLease({ namespace: api.namespace, name });
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  async #write(
    stored: V1Lease | undefined,
    { holder, term, isNew }: { readonly holder: string; readonly term: number; readonly isNew: boolean },
  ): Promise<V1Lease> {
    const { api, name, durationMs, clock } = this.#options;
    const now = new V1MicroTime(clock.unixMs());
    const spec = {
      ...stored?.spec,
      holderIdentity: holder,
      leaseDurationSeconds: Math.ceil(durationMs / 1000),
      renewTime: now,
      leaseTransitions: term,
      ...(isNew ? { acquireTime: now } : {}),
    };
    const { namespace } = api;
    if (stored === undefined) {
      return api.coordination.createNamespacedLease({ namespace, body: { metadata: { name }, spec } });
    }
    return api.coordination.replaceNamespacedLease({ namespace, name, body: { ...stored, spec } });
  }

  async #pause(signal: AbortSignal): Promise<void> {
    await sleep(this.#options.durationMs * tryShare, undefined, { signal }).catch(() => undefined);
  }
}

function recordOf({ metadata, spec }: V1Lease): LeaseRecord {
  return {
    holder: spec?.holderIdentity ?? '',
    durationMs: (spec?.leaseDurationSeconds ?? 0) * 1000,
    term: spec?.leaseTransitions ?? 0,
    version: metadata?.resourceVersion ?? '',
  };
}
