import type { LabelsOf } from '@tercet/contracts';
import type { Job } from '@tercet/jobs';
import type { ServiceMetrics } from '@tercet/telemetry';

type LineEnd = LabelsOf<'tercet_batch_lines_total'>['outcome'];

const statesUnderWay = ['validating', 'in_progress', 'finalizing', 'cancelling'] as const;

/** What the runner of batches counts. */
export class BatchMetrics {
  readonly #metrics: ServiceMetrics<'gateway'>;

  constructor(metrics: ServiceMetrics<'gateway'>) {
    this.#metrics = metrics;
    this.saw([], 0);
    this.filesKept(0);
  }

  ended(outcome: LineEnd): void {
    this.#metrics.count('tercet_batch_lines_total', { outcome });
  }

  /** Lines that got a result without having run. */
  readonly unrun = (lines: number): void => {
    this.#metrics.count('tercet_batch_lines_total', { outcome: 'unrun' }, lines);
  };

  /** All jobs that are not over, oldest first. */
  saw(jobs: readonly Job[], nowMs: number): void {
    const left = jobs.reduce((sum, { counts }) => sum + counts.total - counts.completed - counts.failed, 0);
    const oldestMs = jobs[0] === undefined ? 0 : Math.max(0, nowMs - jobs[0].createdMs);
    this.#metrics.set('tercet_batch_lines_left', {}, left);
    this.#metrics.set('tercet_batch_oldest_seconds', {}, oldestMs / 1000);
    for (const state of statesUnderWay) {
      this.#metrics.set('tercet_batches', { state }, jobs.filter((job) => job.state === state).length);
    }
  }

  filesKept(bytes: number): void {
    this.#metrics.set('tercet_files_bytes', {}, bytes);
  }

  watchRunning(lines: () => number): void {
    this.#metrics.onScrape(() => this.#metrics.set('tercet_batch_lines_running', {}, lines()));
  }
}
