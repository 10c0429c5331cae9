import {
  type ControlStore,
  hasAllResults,
  isEnding,
  isFinal,
  type Job,
  type Lease,
  namesOf,
  resultFiles,
  settled,
} from '@tercet/jobs';
import { unrunResult } from './line-run.js';

/** Lines that end without having run, in one transaction. */
const linesPerTransaction = 500;

export interface SettleOptions {
  readonly store: ControlStore;
  readonly lease: Lease;
  /** How long result files are kept. */
  readonly keptMs: number;
  /** Hears of lines that ended without having run. */
  onUnrun(lines: number): void;
}

/**
 * Moves a job on as far as time and its lines allow: closes its window, ends the lines of a job that ends, makes the
 * result files of one that has all results. Several gateways may do it at a time.
 */
export async function settleJob(options: SettleOptions, job: Job): Promise<Job> {
  const { store, lease } = options;
  const none = { outputFileId: null, errorFileId: null };
  let now = job;
  while (!isFinal(now)) {
    if (isEnding(now) && !hasAllResults(now)) now = await endLines(options, now);
    const next = settled(now, lease.nowMs, none);
    if (next === now) return now;
    const names = isFinal(next) ? await makeResultFiles(options, now) : none;
    const changed = await store.jobs.change(now.id, (before) => settled(before, lease.nowMs, names));
    if (changed === undefined) return next;
    now = changed;
  }
  return now;
}

/** Lines that somebody works on may still get their answer. */
async function endLines({ store, lease, onUnrun }: SettleOptions, job: Job): Promise<Job> {
  const code = job.state === 'cancelling' ? 'batch_cancelled' : 'batch_expired';
  for (;;) {
    const claimed = await store.jobs.claimLines(job.id, lease, linesPerTransaction);
    if (claimed.length === 0) return (await store.jobs.get(job.id)) ?? job;
    const isFirst = await store.jobs.finishLines(claimed.map((line) => unrunResult(line, code)));
    onUnrun(isFirst.filter(Boolean).length);
  }
}

async function makeResultFiles({ store, lease, keptMs }: SettleOptions, job: Job) {
  const files = resultFiles(job, await store.jobs.resultBytes(job.id), { nowMs: lease.nowMs, keptMs });
  for (const file of files) await store.files.publish(file);
  return namesOf(files);
}
