import { setTimeout as sleep } from 'node:timers/promises';
import type { Simulation } from '@tercet/allocation';
import { TercetError, toTercetError, type wire } from '@tercet/contracts';
import type { Wish } from '@tercet/controller-core';
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
import type { DemandBook } from '../demand-book.js';
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
  /** What the gateways have to do. */
  readonly demand: DemandBook;
  readonly log: Log;
}

/** Every `ServingPool` of the namespace, while this process leads. */
export class PoolFleet {
  readonly #options: PoolFleetOptions;
  readonly #pools: ServingPools;
  /** Of the pools, by their names; none while another process leads. */
  readonly #runners = new Map<string, PoolRunner>();

  constructor(options: PoolFleetOptions) {
    this.#options = options;
    this.#pools = new ServingPools(options.api);
    options.metrics.set('tercet_controller_leads', {}, 0);
  }

  /** How the pools stand that this process runs. */
  get statuses(): wire.PoolStatus[] {
    return [...this.#runners.values()].map(({ status }) => status);
  }

  /** Moves the pod that a person names. @throws invalid_request when no pool has it, and what its pool says */
  async move(wish: Wish): Promise<wire.PoolStatus> {
    const runner = [...this.#runners.values()].find(({ status }) =>
      status.pods.some(({ podId }) => podId === wish.podId),
    );
    if (runner === undefined) throw new TercetError('invalid_request', { podId: wish.podId });
    return runner.move(wish);
  }

  /** Runs the pools as the leader of a term until the signal aborts. One whose resource changes begins anew. */
  async lead(term: number, signal: AbortSignal): Promise<void> {
    const { log, metrics } = this.#options;
    log.info('controller.leads', { term });
    metrics.set('tercet_controller_leads', {}, 1);
    let isWell = true;
    while (!signal.aborted) {
      try {
        const { pools, unreadable } = await this.#pools.list(signal);
        await this.#follow(pools, { term, signal });
        for (const pool of unreadable) await this.#tellOfUnreadable(pool, { term, signal });
        isWell = true;
      } catch (error) {
        if (isWell && !signal.aborted) log.error('pools.not_read', { error: toTercetError(error) });
        isWell = false;
      }
      await sleep(lookMs, undefined, { signal }).catch(() => undefined);
    }
    metrics.set('tercet_controller_leads', {}, 0);
    const runners = [...this.#runners.values()];
    this.#runners.clear();
    await Promise.all(runners.map((runner) => runner[Symbol.asyncDispose]()));
    log.info('controller.follows', { term });
  }

  async #follow(
    resources: readonly ServingPool[],
    { term, signal }: { readonly term: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const runners = this.#runners;
    for (const [name, runner] of runners) {
      const now = resources.find((pool) => pool.name === name);
      if (now?.uid === runner.pool.uid && now.generation === runner.pool.generation) continue;
      runners.delete(name);
      await runner[Symbol.asyncDispose]();
    }
    const { api, log } = this.#options;
    const known = { ...this.#options, pools: this.#pools, workloads: new PoolWorkloads(api), term, signal };
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
    this.#options.log.error('pool.unreadable', { pool: name, problem });
    const condition = { type: 'Degraded' as const, status: 'True' as const, reason: 'SpecInvalid', message: problem };
    const lastTransitionTime = new Date().toISOString();
    await this.#pools.writeStatus(name, { conditions: [{ ...condition, lastTransitionTime }] }, { term, signal });
  }
}
