import { setTimeout as sleep } from 'node:timers/promises';
import type { Simulation } from '@tercet/allocation';
import { toTercetError } from '@tercet/contracts';
import type { EventLog } from '@tercet/event-log';
import type { GrpcTls } from '@tercet/grpc';
import {
  type KubernetesApi,
  PoolWorkloads,
  type ServingPool,
  ServingPools,
  type UnreadablePool,
} from '@tercet/kubernetes';
import type { Log, ServiceMetrics } from '@tercet/telemetry';
import { claimsOf } from './claims.js';
import type { ClusterConfig } from './config.js';
import { PoolRunner } from './pool-runner.js';

/** Between two looks at the resources. */
const lookMs = 1000;

export interface PoolFleetOptions {
  readonly api: KubernetesApi;
  readonly config: ClusterConfig;
  readonly events: EventLog | undefined;
  readonly metrics: ServiceMetrics<'controller'>;
  readonly simulation: Simulation;
  readonly tls: GrpcTls | undefined;
  readonly log: Log;
}

/** Every `ServingPool` of the namespace, while this process leads. */
export class PoolFleet {
  readonly #api: KubernetesApi;
  readonly #pools: ServingPools;
  readonly #config: ClusterConfig;
  readonly #events: EventLog | undefined;
  readonly #metrics: ServiceMetrics<'controller'>;
  readonly #simulation: Simulation;
  readonly #tls: GrpcTls | undefined;
  readonly #log: Log;

  constructor({ api, config, events, metrics, simulation, tls, log }: PoolFleetOptions) {
    this.#api = api;
    this.#pools = new ServingPools(api);
    this.#config = config;
    this.#events = events;
    this.#metrics = metrics;
    this.#simulation = simulation;
    this.#tls = tls;
    this.#log = log;
    this.#metrics.set('tercet_controller_leads', {}, 0);
  }

  /** Runs the pools as the leader of a term until the signal aborts. One whose resource changes begins anew. */
  async lead(term: number, signal: AbortSignal): Promise<void> {
    this.#log.info('controller.leads', { term });
    this.#metrics.set('tercet_controller_leads', {}, 1);
    const runners = new Map<string, PoolRunner>();
    let isWell = true;
    while (!signal.aborted) {
      try {
        const { pools, unreadable } = await this.#pools.list(signal);
        await this.#follow(runners, pools, { term, signal });
        for (const pool of unreadable) await this.#tellOfUnreadable(pool, { term, signal });
        isWell = true;
      } catch (error) {
        if (isWell && !signal.aborted) this.#log.error('pools.not_read', { error: toTercetError(error) });
        isWell = false;
      }
      await sleep(lookMs, undefined, { signal }).catch(() => undefined);
    }
    this.#metrics.set('tercet_controller_leads', {}, 0);
    await Promise.all([...runners.values()].map((runner) => runner[Symbol.asyncDispose]()));
    this.#log.info('controller.follows', { term });
  }

  async #follow(
    runners: Map<string, PoolRunner>,
    resources: readonly ServingPool[],
    { term, signal }: { readonly term: number; readonly signal: AbortSignal },
  ): Promise<void> {
    for (const [name, runner] of runners) {
      const now = resources.find((pool) => pool.name === name);
      if (now?.uid === runner.pool.uid && now.generation === runner.pool.generation) continue;
      runners.delete(name);
      await runner[Symbol.asyncDispose]();
    }
    const [api, pools, config, events, log] = [this.#api, this.#pools, this.#config, this.#events, this.#log];
    const telling = { events, metrics: this.#metrics, simulation: this.#simulation, tls: this.#tls, log };
    const known = { api, pools, workloads: new PoolWorkloads(api), config, ...telling, term, signal };
    for (const pool of resources.filter(({ name }) => !runners.has(name))) {
      try {
        const opened = await PoolRunner.open({ ...known, pool });
        runners.set(pool.name, opened);
      } catch (error) {
        log.error('pool.not_opened', { pool: pool.name, error: toTercetError(error) });
      }
    }
    const claimants = [...runners.values()].map(({ pool, matched }) => {
      return { pool: pool.name, createdMs: pool.createdMs, podNames: matched };
    });
    for (const [name, claims] of claimsOf(claimants)) runners.get(name)?.own(claims);
  }

  async #tellOfUnreadable(
    { name, problem }: UnreadablePool,
    { term, signal }: { readonly term: number; readonly signal: AbortSignal },
  ): Promise<void> {
    this.#log.error('pool.unreadable', { pool: name, problem });
    const condition = { type: 'Degraded' as const, status: 'True' as const, reason: 'SpecInvalid', message: problem };
    const lastTransitionTime = new Date().toISOString();
    await this.#pools.writeStatus(name, { conditions: [{ ...condition, lastTransitionTime }] }, { term, signal });
  }
}
