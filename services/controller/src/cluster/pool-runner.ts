import { setTimeout as sleep } from 'node:timers/promises';
import type { Simulation } from '@tercet/allocation';
import { toTercetError, type wire } from '@tercet/contracts';
import { Controller, type PoolSpec, type Wish } from '@tercet/controller-core';
import type { EventLog } from '@tercet/event-log';
import type { GrpcTls } from '@tercet/grpc';
import {
  type KubernetesApi,
  type PoolEvent,
  PoolPods,
  type PoolWorkloads,
  type ServingPool,
  type ServingPools,
  selectorOf,
  selectorText,
  tellOfPool,
  type Workload,
  withTransitions,
} from '@tercet/kubernetes';
import { type Log, type ServiceMetrics, systemClock } from '@tercet/telemetry';
import { believedShape } from '../believed-shape.js';
import type { DemandBook } from '../demand-book.js';
import { LoadEvents } from '../heard/load-events.js';
import { PassReporter } from '../pass-reporter.js';
import { WorkerPods } from '../pods/worker-pods.js';
import { PoolMetrics } from '../pool-metrics.js';
import { Reconciler } from '../reconcile.js';
import { poolStatus } from '../status.js';
import type { Claims } from './claims.js';
import { ClusterPods } from './cluster-pods.js';
import type { ClusterConfig } from './config.js';
import { LedgerInStatus } from './ledger-in-status.js';
import { eventsOf, sleepEvent } from './pass-events.js';
import { conditionsOf, resourceStatus } from './resource-status.js';
import { planSize, wantedPods } from './size.js';

export interface PoolRunnerOptions {
  readonly api: KubernetesApi;
  readonly pools: ServingPools;
  readonly workloads: PoolWorkloads;
  readonly pool: ServingPool;
  readonly config: ClusterConfig;
  readonly term: number;
  /** Where pods and gateways report; without it nothing is heard, and nothing proposed. */
  readonly events: EventLog | undefined;
  readonly metrics: ServiceMetrics<'controller'>;
  readonly simulation: Simulation;
  readonly tls: GrpcTls | undefined;
  readonly demand: DemandBook;
  readonly log: Log;
  /** Aborts when this process does not lead any more. */
  readonly signal: AbortSignal;
}

/** The workload as it was seen last, and who decides its size. */
interface Sizing {
  workload: Workload | undefined;
  sizedBy: string | undefined;
  givenPods: readonly number[];
}

interface Parts {
  readonly sizing: Sizing;
  readonly pods: PoolPods;
  readonly workers: WorkerPods;
  readonly cluster: ClusterPods;
  readonly controller: Controller;
}

/** Between two looks at labels, workload and status. */
const tendMs = 500;
const recentMs = 60_000;
/** A switch that runs when the controller stops is left to the next one after this. */
const patienceMs = 2000;

/** Runs one pool as long as its resource stays as it is: passes, labels, the workload's size, and the status. */
export class PoolRunner implements AsyncDisposable {
  readonly pool: ServingPool;
  readonly #options: PoolRunnerOptions;
  readonly #parts: Parts;
  readonly #reconciler: Reconciler;
  readonly #stop = new AbortController();
  readonly #hearing: LoadEvents;
  readonly #tending: Promise<void>;
  #contested: Claims['contested'] = [];
  readonly #reporter: PassReporter;
  readonly #metrics: PoolMetrics;
  #keptUp = false;
  #conditions: ServingPool['status']['conditions'];
  #written = '';

  private constructor(options: PoolRunnerOptions, parts: Parts) {
    const { pool, config, metrics, log } = options;
    const { controller, cluster } = parts;
    this.#reporter = new PassReporter({ pods: cluster, events: options.events, log, clock: systemClock });
    this.#metrics = new PoolMetrics({ metrics, pool: pool.name, controller, pods: cluster });
    this.pool = pool;
    this.#options = options;
    this.#parts = parts;
    this.#conditions = pool.status.conditions;
    this.#reconciler = new Reconciler({
      controller,
      pods: cluster,
      passMs: config.passMs,
      clock: systemClock,
      log,
      onReport: (report) => {
        this.#metrics.report(report);
        if (report.kind !== 'made') return;
        this.#reporter.report(report.pass);
        void this.#tell(eventsOf(report.pass));
      },
    });
    this.#hearing = new LoadEvents({
      events: options.events,
      model: pool.spec.model,
      controller,
      isOurs: (id) => parts.workers.statuses.some(({ podId }) => podId === id),
      clock: systemClock,
      log,
    });
    this.#tending = this.#tend();
  }

  /** @throws ledger_invalid, cluster_unavailable, cluster_refused */
  static async open(options: PoolRunnerOptions): Promise<PoolRunner> {
    const { api, pools, pool, config, tls, term, simulation, log, signal } = options;
    const { model } = pool.spec;
    const selector = selectorText(selectorOf(pool));
    const store = new LedgerInStatus({ pools, pool: pool.name, term, signal });
    await using opened = new AsyncDisposableStack();
    const pods = opened.use(
      await PoolPods.open({ api, selector, onFailure: (error) => log.error('pods.watch_broke', { error }) }),
    );
    const workers = opened.use(new WorkerPods({ model, endpoints: [], tls }));
    const sizing: Sizing = { workload: undefined, sizedBy: undefined, givenPods: pool.status.givenPods ?? [] };
    const cluster = new ClusterPods({
      ...{ pods, workers, port: config.workerPort, log, size: pool.spec.pods },
      workload: () => (sizing.sizedBy === undefined ? sizing.workload : undefined),
    });
    const controller = await Controller.open({
      spec: specOf(pool),
      pods: cluster,
      simulation,
      store,
      shape: believedShape(config.group),
      mustBeMeasured: true,
      switchMs: config.switchMs,
      clock: systemClock,
      onFailure: ({ podId, role, expectedEpoch }, error) =>
        log.error('role.not_changed', { podId, role, expectedEpoch, error }),
    });
    opened.move();
    return new PoolRunner(options, { sizing, pods, workers, cluster, controller });
  }

  /** How the pool stands, for those who ask this process. */
  get status(): wire.PoolStatus {
    const { controller, cluster } = this.#parts;
    const { name, spec } = this.pool;
    const parts = { controller, pods: cluster, reporter: this.#reporter, last: this.#reconciler.last };
    return poolStatus({ name, model: spec.model, spec: specOf(this.pool), ...parts });
  }

  /** Moves the pod that a person names. @throws what the controller says against it */
  async move(wish: Wish): Promise<wire.PoolStatus> {
    // A move that was begun is seen through, whether the caller waits or not.
    await this.#parts.controller.setRole(wish, this.#options.signal);
    await this.#reconciler.pass();
    return this.status;
  }

  /** Names of the pods that its selector matches. */
  get matched(): string[] {
    return this.#parts.cluster.matched;
  }

  /** Which of them are its own. */
  own({ owned, contested }: Claims): void {
    this.#parts.cluster.own((podName) => owned.has(podName));
    this.#contested = contested;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#hearing[Symbol.asyncDispose]();
    await this.#reconciler.stop(AbortSignal.timeout(patienceMs));
    await this.#tending;
    this.#parts.workers[Symbol.dispose]();
    await this.#parts.pods[Symbol.asyncDispose]();
  }

  async #tend(): Promise<void> {
    const signal = AbortSignal.any([this.#options.signal, this.#stop.signal]);
    let isWell = true;
    while (!signal.aborted) {
      try {
        await this.#parts.cluster.label(signal);
        await this.#tendSleep();
        await this.#size(signal);
        await this.#writeStatus(signal);
        isWell = true;
      } catch (error) {
        if (isWell && !signal.aborted) this.#options.log.error('pool.not_tended', { error: toTercetError(error) });
        isWell = false;
      }
      await sleep(tendMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Where somebody else decides how many pods there are, it neither falls asleep nor is woken. */
  async #tendSleep(): Promise<void> {
    const { demand } = this.#options;
    const { controller, cluster, sizing } = this.#parts;
    const told = sizing.sizedBy === undefined ? demand.of(this.pool.spec.model) : undefined;
    const change = await controller.tendSleep({ demand: told, pods: cluster.latest });
    const isNew = change !== undefined && !(change === 'kept up' && this.#keptUp);
    this.#keptUp = change === 'kept up';
    if (!isNew) return;
    this.#metrics.sleepChanged(change);
    await this.#tell([sleepEvent(change)]);
  }

  /** The workload makes as many pods as the pool shall have now, unless somebody else decides that. */
  async #size(signal: AbortSignal): Promise<void> {
    const { workloads, log } = this.#options;
    const { controller, sizing } = this.#parts;
    sizing.workload = await workloads.find(selectorOf(this.pool), signal);
    if (sizing.workload === undefined) return;
    const { name, replicas } = sizing.workload;
    const wanted = wantedPods(this.pool, controller.ledger);
    const step = planSize(sizing.workload, { wanted, given: sizing.givenPods });
    const sizedBy = step.kind === 'contested' ? step.by : undefined;
    if (sizedBy !== sizing.sizedBy) log.info('workload.size', { workload: name, sizedBy: sizedBy ?? 'controller' });
    sizing.sizedBy = sizedBy;
    if (step.kind === 'contested') return;
    if (step.kind === 'scale') {
      // Written down before, so that whoever leads next knows it for the controller's own.
      sizing.givenPods = [replicas, wanted];
      await this.#writeStatus(signal);
      await workloads.scale(name, wanted, signal);
      log.info('workload.scaled', { workload: name, from: replicas, to: wanted });
    }
    sizing.givenPods = [wanted];
  }

  async #writeStatus(signal: AbortSignal): Promise<void> {
    const { pools, term } = this.#options;
    const { controller, cluster, sizing } = this.#parts;
    const { sizedBy, givenPods } = sizing;
    const refusal = sizing.workload?.refusal;
    const parts = {
      pool: this.pool,
      ledger: controller.ledger,
      states: cluster.latest,
      missing: [...cluster.unschedulable, ...(refusal === undefined ? [] : [refusal])],
      contested: this.#contested,
      recent: controller.lately(recentMs),
      last: this.#reconciler.last,
      sizedBy,
      givenPods,
    };
    const now = { unixMs: systemClock.unixMs(), generation: this.pool.generation };
    const conditions = withTransitions(this.#conditions ?? [], conditionsOf(parts), now);
    const status = { ...resourceStatus(parts), conditions };
    const text = JSON.stringify(status);
    if (text === this.#written) return;
    await pools.writeStatus(this.pool.name, status, { term, signal });
    this.#conditions = conditions;
    this.#written = text;
  }

  async #tell(events: readonly PoolEvent[]): Promise<void> {
    const { api, log, signal } = this.#options;
    for (const event of events) {
      log.info('pool.event', { pool: this.pool.name, ...event });
      try {
        await tellOfPool(api, { pool: this.pool, event, unixMs: systemClock.unixMs() }, signal);
      } catch (error) {
        log.error('pool.event_not_told', { reason: event.reason, error: toTercetError(error) });
      }
    }
  }
}

/** A pool that is off is not woken. */
function specOf({ spec: { sleep, ...spec } }: ServingPool): PoolSpec {
  return { ...spec, sleep: spec.pods === 0 ? undefined : sleep };
}
