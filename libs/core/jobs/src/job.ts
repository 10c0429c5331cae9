import { TercetError } from '@tercet/contracts';

/** States of a batch as OpenAI names them, https://platform.openai.com/docs/api-reference/batch/object */
export type JobState =
  | 'validating'
  | 'failed'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'expired'
  | 'cancelling'
  | 'cancelled';

/** How a line ended: `completed` with an answer of 200, `failed` with anything else. */
export type LineOutcome = 'completed' | 'failed';

/** What is wrong with a line of the input, or with the input as a whole. */
export interface InputError {
  readonly code: InputErrorCode;
  readonly message: string;
  /** Counted from 1; absent where no line is to blame. */
  readonly line?: number;
  readonly param?: string;
}

export type InputErrorCode =
  | 'file_not_found'
  | 'empty_file'
  | 'too_many_lines'
  | 'line_too_large'
  | 'invalid_json_line'
  | 'invalid_custom_id'
  | 'duplicate_custom_id'
  | 'invalid_method'
  | 'invalid_url'
  | 'invalid_body'
  | 'stream_unsupported';

export interface LineCounts {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
}

/** A batch: lines of one file, each a request to the same endpoint, to be answered within the completion window. */
export interface Job {
  readonly id: string;
  readonly tenant: string;
  readonly endpoint: string;
  readonly inputFileId: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly state: JobState;
  readonly counts: LineCounts;
  readonly errors: readonly InputError[];
  readonly createdMs: number;
  /** When the completion window ends: lines that were not begun by then are not begun any more. */
  readonly expiresMs: number;
  /** When it entered each of its states. `expired` stands from the end of the window on, while lines still run out. */
  readonly enteredMs: Readonly<Partial<Record<JobState, number>>>;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
}

export interface NewJob extends Pick<Job, 'id' | 'tenant' | 'endpoint' | 'inputFileId' | 'metadata'> {
  readonly nowMs: number;
  readonly windowMs: number;
}

export function newJob({ nowMs, windowMs, ...rest }: NewJob): Job {
  return {
    ...rest,
    state: 'validating',
    counts: { total: 0, completed: 0, failed: 0 },
    errors: [],
    createdMs: nowMs,
    expiresMs: nowMs + windowMs,
    enteredMs: { validating: nowMs },
    outputFileId: null,
    errorFileId: null,
  };
}

/** Nothing will happen to it any more. */
export function isFinal({ state }: Pick<Job, 'state'>): boolean {
  return state === 'failed' || state === 'completed' || state === 'expired' || state === 'cancelled';
}

/** No further line of it is begun: those that were not begun end without having run. */
export function isEnding({ state, enteredMs }: Job): boolean {
  return state === 'cancelling' || enteredMs.expired !== undefined;
}

/** Every line has its one result. */
export function hasAllResults({ counts }: Job): boolean {
  return counts.completed + counts.failed === counts.total;
}

/** Its input was read: all lines are there, or it failed for these errors. */
export function validated(job: Job, found: { lines: number; errors: readonly InputError[] }, nowMs: number): Job {
  if (job.state !== 'validating') return job;
  if (found.errors.length > 0) return enter({ ...job, errors: found.errors }, 'failed', nowMs);
  return enter({ ...job, counts: { ...job.counts, total: found.lines } }, 'in_progress', nowMs);
}

/** @throws batch_state when it is over already; asking again while it is being cancelled changes nothing */
export function cancelled(job: Job, nowMs: number): Job {
  if (job.state === 'cancelling') return job;
  if (job.state !== 'validating' && job.state !== 'in_progress') {
    throw new TercetError('batch_state', { batch: job.id, state: job.state });
  }
  return enter(job, 'cancelling', nowMs);
}

/** These lines got their results. */
export function withResults(job: Job, { completed, failed }: Omit<LineCounts, 'total'>): Job {
  const { counts } = job;
  return {
    ...job,
    counts: { ...counts, completed: counts.completed + completed, failed: counts.failed + failed },
  };
}

/** Files that hold the results of a job, once it is over. */
export interface ResultFiles {
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
}

/**
 * What becomes of a job as time goes by and its lines end: the window closes, the last result ends it. One state at a
 * time: call it again until nothing changes.
 * @param files named in the final state; they must be there before
 */
export function settled(job: Job, nowMs: number, files: ResultFiles): Job {
  switch (job.state) {
    case 'validating':
      return nowMs >= job.expiresMs ? enter(job, 'expired', nowMs) : job;
    case 'in_progress':
      if (job.enteredMs.expired !== undefined) {
        return hasAllResults(job) ? { ...job, ...files, state: 'expired' } : job;
      }
      if (hasAllResults(job)) return enter(job, 'finalizing', nowMs);
      return nowMs >= job.expiresMs ? { ...job, enteredMs: { ...job.enteredMs, expired: nowMs } } : job;
    case 'finalizing':
      return enter({ ...job, ...files }, 'completed', nowMs);
    case 'cancelling':
      return hasAllResults(job) ? enter({ ...job, ...files }, 'cancelled', nowMs) : job;
    case 'failed':
    case 'completed':
    case 'expired':
    case 'cancelled':
      return job;
    default:
      return job.state satisfies never;
  }
}

function enter(job: Job, state: JobState, nowMs: number): Job {
  return { ...job, state, enteredMs: { ...job.enteredMs, [state]: nowMs } };
}
