import type { Job, LineOutcome } from './job.js';
import type { StoredFile } from './stored-file.js';

/**
 * Port: control state that needs transactions and outlives every process. Several processes open one store at a time;
 * node:sqlite on one machine, PostgreSQL in a cluster. All pass `test/contract`. Every method throws
 * `store_unavailable` when the store does not answer.
 */
export interface ControlStore extends AsyncDisposable {
  readonly files: FileStore;
  readonly jobs: JobStore;
  /** Milliseconds since 1970 by one clock for all processes: leases and windows are compared with no other. */
  nowMs(): Promise<number>;
}

/** A page of a list, newest first. */
export interface PageQuery {
  readonly tenant: string;
  /** Begins behind the one with this id. */
  readonly after?: string;
  readonly limit: number;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly hasMore: boolean;
}

export interface FileStore {
  /**
   * Keeps the content under this id. Nobody sees it before `publish`; when the content ends with an error, nothing of
   * it stays, and the error comes out.
   * @returns how many bytes came
   */
  upload(id: string, content: AsyncIterable<Uint8Array>): Promise<number>;
  /** The file is there from now on. One that is there already stays as it is. */
  publish(file: StoredFile): Promise<void>;
  get(id: string): Promise<StoredFile | undefined>;
  list(query: PageQuery & { readonly purpose?: string }): Promise<Page<StoredFile>>;
  /** Content of an uploaded file. @throws file_not_found, also in the middle when it is deleted meanwhile */
  read(id: string): AsyncIterable<Uint8Array>;
  /** Takes it away with its content; lines whose results it held still have ended. @returns whether it was there */
  delete(id: string): Promise<boolean>;
  /** Bytes of all files that are published, those with results included. */
  bytes(): Promise<number>;
  /** Takes away what expired by then, and uploads that began before `uploadsBeforeMs` and were never published. */
  sweep(limits: { readonly nowMs: number; readonly uploadsBeforeMs: number }): Promise<void>;
}

/** Who works on something, and until when nobody else does. */
export interface Lease {
  /** Unique for a process, never used again. */
  readonly runnerId: string;
  readonly nowMs: number;
  readonly untilMs: number;
}

export interface JobLine {
  /** Counted from 0. */
  readonly line: number;
  readonly customId: string;
  /** JSON of the request. */
  readonly body: string;
}

export interface ClaimedLine extends JobLine {
  readonly jobId: string;
  /** How often it was begun, this time included; without those times that were given back as not counting. */
  readonly attempt: number;
}

export interface LineResult {
  readonly jobId: string;
  readonly line: number;
  readonly outcome: LineOutcome;
  /** The line of the result file, without its line feed. */
  readonly text: string;
}

export interface JobStore {
  /** @throws overloaded when so many jobs are under way already */
  create(job: Job, limits: { readonly underWayMax: number }): Promise<void>;
  get(id: string): Promise<Job | undefined>;
  list(query: PageQuery): Promise<Page<Job>>;
  /** Jobs that are not over, oldest first. */
  underWay(): Promise<Job[]>;
  /** Jobs that are over and whose end was not told yet, at most so many, oldest first. */
  untold(limit: number): Promise<Job[]>;
  /** The ends of these jobs were told. */
  told(ids: readonly string[]): Promise<void>;
  /**
   * Replaces the job by what `next` makes of it, with nobody in between. What `next` throws comes out, and nothing
   * changed.
   * @returns the job as it is now; undefined when there is none
   */
  change(id: string, next: (job: Job) => Job): Promise<Job | undefined>;
  /** Leases the oldest job that waits for validation. Lines that another began to add are gone. */
  claimValidation(lease: Lease): Promise<Job | undefined>;
  /** Adds lines to a job and prolongs the lease. @returns false when the lease is another's, and nothing was added */
  addLines(jobId: string, lines: readonly JobLine[], lease: Lease): Promise<boolean>;
  /** As `change`, by the one who has the lease of the validation, which ends. @returns undefined when it has not */
  endValidation(jobId: string, runnerId: string, next: (job: Job) => Job): Promise<Job | undefined>;
  /** Leases lines without a result that nobody works on, first lines first. */
  claimLines(jobId: string, lease: Lease, limit: number): Promise<ClaimedLine[]>;
  /** Prolongs all leases of the runner. @returns lines of which it still has one */
  renewLines(lease: Lease): Promise<{ readonly jobId: string; readonly line: number }[]>;
  /** Gives a line back: others may claim it from `freeMs` on. Nothing happens when the lease is somebody else's. */
  releaseLine(claimed: ClaimedLine, release: { runnerId: string; freeMs: number; counts: boolean }): Promise<void>;
  /**
   * Writes results and counts them in their jobs, in one transaction. The first result of a line stays: later ones
   * change nothing.
   * @returns for each, whether it was the first
   */
  finishLines(results: readonly LineResult[]): Promise<boolean[]>;
  /** Bytes of the result files that the job would have now. */
  resultBytes(jobId: string): Promise<Record<LineOutcome, number>>;
  /** Results with this outcome in the order of their lines, in pieces that end with a line feed. */
  results(jobId: string, outcome: LineOutcome): AsyncIterable<Uint8Array>;
}
