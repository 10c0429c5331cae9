import type { Job, LineOutcome, ResultFiles } from './job.js';

export type FilePurpose = 'batch' | 'batch_output';

/** Where the content of a file is: uploaded as it stands, or the results of a job's lines in their order. */
export type FileSource =
  | { readonly kind: 'uploaded' }
  | { readonly kind: 'results'; readonly jobId: string; readonly outcome: LineOutcome };

export interface StoredFile {
  readonly id: string;
  readonly tenant: string;
  readonly purpose: FilePurpose;
  readonly filename: string;
  readonly bytes: number;
  readonly createdMs: number;
  /** From then on it is not there any more. */
  readonly expiresMs: number | null;
  readonly source: FileSource;
}

export function isGone({ expiresMs }: StoredFile, nowMs: number): boolean {
  return expiresMs !== null && expiresMs <= nowMs;
}

/**
 * The files of a job's results, those that have a line. Their ids follow from the job's, so that making them again
 * after a crash makes the same.
 * @param bytes of all results with each outcome
 */
export function resultFiles(
  job: Job,
  bytes: Readonly<Record<LineOutcome, number>>,
  { nowMs, keptMs }: { nowMs: number; keptMs: number },
): StoredFile[] {
  const { id: jobId, tenant } = job;
  const outcomes: readonly LineOutcome[] = ['completed', 'failed'];
  return outcomes.flatMap((outcome): StoredFile[] => {
    if (job.counts[outcome] === 0) return [];
    const source = { kind: 'results', jobId, outcome } as const;
    const name = outcome === 'completed' ? 'output' : 'errors';
    const about = { purpose: 'batch_output', filename: `${jobId}_${name}.jsonl`, bytes: bytes[outcome] } as const;
    return [{ id: fileIdOf(jobId, outcome), tenant, ...about, createdMs: nowMs, expiresMs: nowMs + keptMs, source }];
  });
}

export function namesOf(files: readonly StoredFile[]): ResultFiles {
  const idOf = (outcome: LineOutcome) =>
    files.find(({ source }) => source.kind === 'results' && source.outcome === outcome)?.id ?? null;
  return { outputFileId: idOf('completed'), errorFileId: idOf('failed') };
}

function fileIdOf(jobId: string, outcome: LineOutcome): string {
  return `file-${jobId.replace(/^batch_/, '')}-${outcome === 'completed' ? 'output' : 'errors'}`;
}
