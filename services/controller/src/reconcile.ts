import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@tercet/base';
import { TercetError, wire } from '@tercet/contracts';
import type { Controller, Pass } from '@tercet/controller-core';
import type { Log } from '@tercet/telemetry';
import type { WorkerPods } from './pods/worker-pods.js';

/** A pass as it went. */
export type PassReport = { readonly unixMs: number; readonly tookMs: number } & (
  | { readonly kind: 'made'; readonly pass: Pass }
  | { readonly kind: 'failed'; readonly error: TercetError }
);

export interface ReconcilerOptions {
  readonly controller: Controller;
  readonly pods: Pick<WorkerPods, 'states' | 'statuses'>;
  readonly passMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears how every pass went. */
  onReport(report: PassReport): void;
}

/** Between two looks at the pods, for one that returned without a role: it should not wait for the next pass. */
const lookMs = 300;

/** Makes a pass at an interval, and at once when a pod waits for its role. A pass that fails is made again. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #last: PassReport | undefined;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#ended = this.#run();
  }

  get last(): PassReport | undefined {
    return this.#last;
  }

  /**
   * Begins nothing more, and waits for the pods that are being asked until the signal aborts. What is not over by then
   * stands in the ledger: the next controller sees how it ended.
   */
  async stop(patience: AbortSignal): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    const settled = this.#options.controller.settled();
    const { promise, resolve } = Promise.withResolvers<void>();
    if (patience.aborted) resolve();
    else patience.addEventListener('abort', () => resolve(), { once: true });
    await Promise.race([settled, promise]);
  }

  /** Makes one, at once. */
  async pass(): Promise<void> {
    const { controller, clock, log, onReport } = this.#options;
    const startMs = clock.nowMs();
    const report = () => ({ unixMs: clock.unixMs(), tookMs: clock.nowMs() - startMs });
    try {
      const pass = await controller.pass(new AbortController().signal);
      this.#last = { kind: 'made', pass, ...report() };
    } catch (error) {
      if (!(error instanceof TercetError)) throw error;
      // One line for a trouble that lasts.
      if (this.#last?.kind !== 'failed') log.error('controller.pass_failed', { error });
      this.#last = { kind: 'failed', error, ...report() };
    }
    onReport(this.#last);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.pass();
      await this.#untilDue(signal);
    }
  }

  async #untilDue(signal: AbortSignal): Promise<void> {
    const { passMs, clock, pods } = this.#options;
    const dueMs = clock.nowMs() + passMs;
    const waited = unassigned(pods);
    for (let leftMs = passMs; leftMs > 0; leftMs = dueMs - clock.nowMs()) {
      await sleep(Math.min(lookMs, leftMs), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await pods.states(new AbortController().signal);
      if (unassigned(pods).some((podId) => !waited.includes(podId))) return;
    }
  }
}

function unassigned({ statuses }: Pick<WorkerPods, 'statuses'>): string[] {
  return statuses.flatMap(({ podId, phase }) => (phase === wire.Phase.PHASE_UNASSIGNED ? [podId] : []));
}
