import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { TercetError, toTercetError } from '@tercet/contracts';
import {
  type ClaimedLine,
  type ControlStore,
  type InputLimits,
  isEnding,
  isFinal,
  type Job,
  type LineResult,
} from '@tercet/jobs';
import type { Log } from '@tercet/telemetry';
import type { JsonRouteOptions } from '../http/json-routes.js';
import type { BackgroundAdmission } from '../pipeline/background-admission.js';
import type { BatchMetrics } from './batch-metrics.js';
import type { JobEvents } from './job-events.js';
import { answeredResult, failedAnswer, runLine } from './line-run.js';
import { Pace } from './pace.js';
import { keyOf, RunningLines } from './running-lines.js';
import { settleJob } from './settle-job.js';
import { validateNext } from './validate-job.js';

export interface BatchLimits extends InputLimits {
  /** A line or a job that a runner has not heard of for so long is another's. */
  readonly leaseMs: number;
  /** How often the store is asked whether others changed something. */
  readonly pollMs: number;
  /** A line that began so often and never came to an end has failed. */
  readonly attemptsMax: number;
  readonly resultsKeptMs: number;
}

export interface BatchRunnerOptions {
  readonly store: ControlStore;
  /** What the routes run on, behind `background`. */
  readonly routes: JsonRouteOptions;
  readonly background: BackgroundAdmission;
  readonly log: Log;
  readonly limits: BatchLimits;
  readonly metrics: BatchMetrics;
  /** Where the system has an event log. */
  readonly events?: JobEvents | undefined;
}

const sweepEveryMs = 60_000;
const endsAtOnce = 100;
/** An upload that takes longer was left behind by a process that died. */
const uploadMsMax = 3600_000;
const backOffMs = { first: 250, max: 30_000 };

/**
 * Runs the lines of batches, one runner a gateway, any number over one store. A line is leased while it runs and gets
 * its result in the store's own transaction: a runner that dies leaves leases that end, and a line that ran twice for
 * it still has one result. Lines take the room that requests leave, and fewer at a time while pods refuse them.
 */
export class BatchRunner implements AsyncDisposable {
  readonly #options: BatchRunnerOptions;
  readonly #runnerId = randomUUID();
  readonly #running = new RunningLines();
  readonly #pace = new Pace();
  readonly #stop = new AbortController();
  readonly #loops: Promise<unknown>;
  #wake = Promise.withResolvers<void>();
  #nextJob = 0;
  /** When tenants that were over their token rate may go on, by the store's clock. */
  readonly #tenantFreeMs = new Map<string, number>();

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
    options.metrics.watchRunning(() => this.#running.size);
    options.background.onCrowded(() => this.#running.abortNewest(new TercetError('overloaded')));
    const { leaseMs } = options.limits;
    this.#loops = Promise.all([
      options.events?.listen(() => this.wake(), this.#stop.signal),
      this.#repeat('work', () => this.#work()),
      this.#repeat('tell', () => this.#tellEnds()),
      this.#repeat('validate', () => this.#validate()),
      this.#repeat('renew', () => this.#renew(), leaseMs / 3),
      this.#repeat('sweep', () => this.#sweep(), sweepEveryMs),
    ]);
  }

  /** A job is new, or somebody cancelled it. */
  changed(job: Job): void {
    this.#options.events?.announce(job);
    this.wake();
  }

  /** Something changed in the store: look now, not at the next poll. */
  wake(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** Begins nothing more and gives back what runs, so that another can go on at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.wake();
    await this.#running.abortAll(new TercetError('shutting_down'));
    await this.#loops;
  }

  /** @param everyMs fixed; without it, after every wake and at least once in a poll's time */
  async #repeat(what: string, work: () => Promise<void>, everyMs?: number): Promise<void> {
    const { log, limits } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const woken = this.#wake.promise;
      await work().catch((error: unknown) => {
        if (!signal.aborted) log.info('batches.pass_failed', { what, failure: toTercetError(error) });
      });
      const pause = new AbortController();
      const either = AbortSignal.any([signal, pause.signal]);
      const timer = sleep(everyMs ?? limits.pollMs, undefined, { signal: either }).catch(() => undefined);
      await (everyMs === undefined ? Promise.race([woken, timer]) : timer);
      pause.abort();
    }
  }

  async #work(): Promise<void> {
    const { store, limits, metrics } = this.#options;
    const lease = await this.#lease();
    const settling = { store, lease, keptMs: limits.resultsKeptMs, onUnrun: metrics.unrun };
    const underWay: Job[] = [];
    for (const job of await store.jobs.underWay()) {
      const now = await settleJob(settling, job);
      if (!isFinal(now)) underWay.push(now);
      this.#options.events?.progress(now);
    }
    metrics.saw(underWay, lease.nowMs);
    await this.#claim(underWay.filter((job) => job.state === 'in_progress' && !isEnding(job)));
  }

  /** The end of a job is told until the log has it, whoever ended it. */
  async #tellEnds(): Promise<void> {
    const { store, events } = this.#options;
    if (events === undefined) return;
    const told = await events.ended(await store.jobs.untold(endsAtOnce), this.#stop.signal);
    if (told.length > 0) await store.jobs.told(told);
  }

  /** The room that is left goes over the jobs by turns, so that a small one does not wait for a large one. */
  async #claim(jobs: readonly Job[]): Promise<void> {
    const { store, background } = this.#options;
    const lease = await this.#lease();
    for (const [tenant, freeMs] of this.#tenantFreeMs) if (freeMs <= lease.nowMs) this.#tenantFreeMs.delete(tenant);
    const ready = jobs.filter(({ tenant }) => !this.#tenantFreeMs.has(tenant));
    for (let i = 0; i < ready.length; i++) {
      const free = Math.min(background.room, this.#pace.linesMax - this.#running.size);
      if (free <= 0 || this.#stop.signal.aborted) break;
      const job = ready[this.#nextJob++ % ready.length] as Job;
      const share = Math.ceil(free / (ready.length - i));
      for (const line of await store.jobs.claimLines(job.id, lease, share)) this.#begin(job, line);
    }
  }

  #begin(job: Job, line: ClaimedLine): void {
    if (this.#running.has(line)) return;
    this.#running.start(line, async (signal) => {
      const result = await this.#run(job, line, signal);
      if (result !== undefined) await this.#finish(result);
      this.wake();
    });
  }

  /** @returns its result; undefined when it was given back */
  async #run(job: Job, claimed: ClaimedLine, signal: AbortSignal): Promise<LineResult | undefined> {
    const { limits, routes } = this.#options;
    if (claimed.attempt > limits.attemptsMax) {
      const attempts = claimed.attempt - 1;
      return answeredResult(claimed, failedAnswer(new TercetError('stage_failed', { attempts })));
    }
    try {
      const answer = await runLine(routes, { endpoint: job.endpoint, body: claimed.body, tenant: job.tenant }, signal);
      this.#pace.succeeded();
      return answeredResult(claimed, answer);
    } catch (error) {
      return this.#failed(job, claimed, signal.aborted ? signal.reason : error);
    }
  }

  /** By the class of the error: what the client did wrong is its result; what may pass is tried again. */
  async #failed({ tenant }: Job, claimed: ClaimedLine, error: unknown): Promise<LineResult | undefined> {
    const failure = toTercetError(error);
    // Only the loss of the lease cancels: the line is another's.
    if (failure.code === 'cancelled') return undefined;
    const isLast = failure.retry === 'replan' && claimed.attempt >= this.#options.limits.attemptsMax;
    if (failure.retry === 'never' || isLast) return answeredResult(claimed, failedAnswer(failure));
    const isOfTenant = failure.code === 'rate_limited';
    if (failure.code !== 'shutting_down' && !isOfTenant) this.#pace.refused();
    const freeMs = await this.#release(claimed, {
      waitMs: waitMsOf(failure, claimed),
      counts: failure.retry === 'replan',
    });
    if (isOfTenant && freeMs !== undefined) this.#tenantFreeMs.set(tenant, freeMs);
    return undefined;
  }

  /** @returns from when on it may be claimed; undefined when the store does not say */
  async #release(
    claimed: ClaimedLine,
    { waitMs, counts }: { waitMs: number; counts: boolean },
  ): Promise<number | undefined> {
    const { store, log, metrics } = this.#options;
    metrics.ended('returned');
    try {
      const freeMs = (await store.nowMs()) + waitMs;
      await store.jobs.releaseLine(claimed, { runnerId: this.#runnerId, freeMs, counts });
      return freeMs;
    } catch (error) {
      // Its lease ends by itself.
      log.info('batches.release_failed', { line: keyOf(claimed), failure: toTercetError(error) });
      return undefined;
    }
  }

  /** An answer was paid for: it is held until the store takes it. */
  async #finish(result: LineResult): Promise<void> {
    const { store, log, metrics } = this.#options;
    for (let tries = 0; ; tries++) {
      try {
        const [isFirst] = await store.jobs.finishLines([result]);
        metrics.ended(isFirst === false ? 'late' : result.outcome);
        if (isFirst === false) log.info('batches.result_was_there', { line: keyOf(result) });
        return;
      } catch (error) {
        const failure = toTercetError(error);
        log.info('batches.result_waits', { line: keyOf(result), tries, failure });
        if (failure.retry !== 'later' || this.#stop.signal.aborted) return;
        await sleep(1000, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
  }

  async #validate(): Promise<void> {
    const { store, limits, log } = this.#options;
    const options = { store, limits, runnerId: this.#runnerId, leaseMs: limits.leaseMs };
    for (;;) {
      const job = await validateNext(options, this.#stop.signal);
      if (job === undefined) return;
      log.info('batches.validated', { batch: job.id, state: job.state, lines: job.counts.total });
      this.wake();
    }
  }

  /** Lines that another took over, or that have their result, are not worth finishing. */
  async #renew(): Promise<void> {
    const running = this.#running.snapshot();
    const held = new Set((await this.#options.store.jobs.renewLines(await this.#lease())).map(keyOf));
    for (const { line, abort } of running) {
      if (!held.has(keyOf(line))) abort.abort(new TercetError('cancelled', { reason: 'the lease was lost' }));
    }
  }

  async #sweep(): Promise<void> {
    const { store, metrics } = this.#options;
    const nowMs = await store.nowMs();
    await store.files.sweep({ nowMs, uploadsBeforeMs: nowMs - uploadMsMax });
    metrics.filesKept(await store.files.bytes());
  }

  async #lease() {
    const nowMs = await this.#options.store.nowMs();
    return { runnerId: this.#runnerId, nowMs, untilMs: nowMs + this.#options.limits.leaseMs };
  }
}

/** How long a line waits before it is tried again. */
function waitMsOf({ code, details }: TercetError, { attempt }: ClaimedLine): number {
  if (code === 'shutting_down') return 0;
  if (code === 'rate_limited') return Number(details.retryAfterMs);
  return Math.min(backOffMs.first * 2 ** attempt, backOffMs.max);
}
