import { toTercetError } from '@tercet/contracts';
import { type ControlStore, InputCheck, type InputError, type InputLimits, type Job, validated } from '@tercet/jobs';

export interface ValidationOptions {
  readonly store: ControlStore;
  readonly limits: InputLimits;
  readonly runnerId: string;
  readonly leaseMs: number;
}

/**
 * Reads the input of the oldest job that waits for it: its lines go into the store, or it fails for what is wrong.
 * @returns the job as it came out; undefined when none waits, or when another runner took it over meanwhile
 */
export async function validateNext(options: ValidationOptions, signal: AbortSignal): Promise<Job | undefined> {
  const { store, runnerId } = options;
  const job = await store.jobs.claimValidation(await leaseOf(options));
  if (job === undefined) return undefined;
  const found = await readInput(options, job, signal);
  if (found === undefined) return undefined;
  const nowMs = await store.nowMs();
  return store.jobs.endValidation(job.id, runnerId, (before) => validated(before, found, nowMs));
}

async function readInput(
  options: ValidationOptions,
  job: Job,
  signal: AbortSignal,
): Promise<{ lines: number; errors: readonly InputError[] } | undefined> {
  const { store, limits } = options;
  const check = new InputCheck(job.endpoint, limits);
  try {
    for await (const piece of store.files.read(job.inputFileId)) {
      signal.throwIfAborted();
      const lines = check.push(piece);
      if (check.isHopeless) break;
      if (!(await store.jobs.addLines(job.id, lines, await leaseOf(options)))) return undefined;
    }
    const last = check.end();
    if (!(await store.jobs.addLines(job.id, last, await leaseOf(options)))) return undefined;
  } catch (error) {
    if (toTercetError(error).code !== 'file_not_found') throw error;
    return { lines: 0, errors: [{ code: 'file_not_found', message: 'The input file is not there any more.' }] };
  }
  return { lines: check.lines, errors: check.errors };
}

async function leaseOf({ store, runnerId, leaseMs }: ValidationOptions) {
  const nowMs = await store.nowMs();
  return { runnerId, nowMs, untilMs: nowMs + leaseMs };
}
