import { randomUUID } from 'node:crypto';
import { TercetError } from '@tercet/contracts';
import { type ControlStore, cancelled, type Job, newJob } from '@tercet/jobs';
import { z } from 'zod';
import { parseBody } from './chat-request.js';
import { fileWith, listObject, type Owned, secondsOf } from './files.js';
import { jsonRoutes } from './json-routes.js';

export interface BatchesOptions {
  readonly store: ControlStore;
  /** Batches that are not over; one more is refused. */
  readonly underWayMax: number;
  /** Told of jobs that are new or that somebody cancelled. */
  onChange(job: Job): void;
}

const endpoints = Object.keys(jsonRoutes) as (keyof typeof jsonRoutes)[];
/** OpenAI takes no other either. */
const completionWindow = '24h';
const windowMs = 24 * 3600 * 1000;

export const BatchBody = z.strictObject({
  input_file_id: z.string().min(1),
  endpoint: z.enum(endpoints),
  completion_window: z.literal(completionWindow),
  metadata: z
    .record(z.string().max(64), z.string().max(512))
    .refine((pairs) => Object.keys(pairs).length <= 16, 'at most 16 pairs')
    .nullish(),
});

export const BatchesQuery = z.strictObject({
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
});

/** `POST /v1/batches` @throws invalid_request, file_not_found, overloaded */
export async function createBatch(
  options: BatchesOptions,
  { tenant, json }: Owned & { readonly json: unknown },
): Promise<object> {
  const { store, underWayMax } = options;
  const { input_file_id: inputFileId, endpoint, metadata = null } = parseBody(BatchBody, json);
  const { purpose } = await fileWith(store, { tenant, id: inputFileId });
  if (purpose !== 'batch') throw new TercetError('invalid_request', { param: 'input_file_id', purpose });
  const id = `batch_${randomUUID().replaceAll('-', '')}`;
  const job = newJob({ id, tenant, endpoint, inputFileId, metadata, nowMs: await store.nowMs(), windowMs });
  await store.jobs.create(job, { underWayMax });
  options.onChange(job);
  return batchObject(job);
}

/** `GET /v1/batches` */
export async function listBatches(
  { store }: BatchesOptions,
  { tenant, query }: Owned & { readonly query: unknown },
): Promise<object> {
  const { after, limit } = parseBody(BatchesQuery, query);
  if (after !== undefined) await jobWith(store, { tenant, id: after });
  const page = await store.jobs.list({ tenant, limit, ...(after === undefined ? {} : { after }) });
  return listObject(page.items.map(batchObject), page.hasMore);
}

/** `GET /v1/batches/{id}` @throws batch_not_found */
export async function getBatch({ store }: BatchesOptions, which: BatchId): Promise<object> {
  return batchObject(await jobWith(store, which));
}

/** `POST /v1/batches/{id}/cancel` @throws batch_not_found, batch_state */
export async function cancelBatch(options: BatchesOptions, which: BatchId): Promise<object> {
  const { store } = options;
  const { id } = await jobWith(store, which);
  const nowMs = await store.nowMs();
  const job = await store.jobs.change(id, (before) => cancelled(before, nowMs));
  if (job === undefined) throw new TercetError('batch_not_found', { batch: id });
  options.onChange(job);
  return batchObject(job);
}

type BatchId = Owned & { readonly id: string };

async function jobWith(store: ControlStore, { tenant, id }: BatchId): Promise<Job> {
  const job = await store.jobs.get(id);
  if (job?.tenant !== tenant) throw new TercetError('batch_not_found', { batch: id.slice(0, 100) });
  return job;
}

/** https://platform.openai.com/docs/api-reference/batch/object */
export function batchObject(job: Job): object {
  const { id, endpoint, errors, inputFileId, state, counts, createdMs, expiresMs, metadata } = job;
  const at = (entered: Job['state']) => {
    const ms = job.enteredMs[entered];
    return ms === undefined ? null : secondsOf(ms);
  };
  const data = errors.map(({ code, message, line = null, param = null }) => ({ code, message, line, param }));
  return {
    id,
    object: 'batch',
    endpoint,
    errors: data.length === 0 ? null : { object: 'list', data },
    input_file_id: inputFileId,
    completion_window: completionWindow,
    status: state,
    output_file_id: job.outputFileId,
    error_file_id: job.errorFileId,
    created_at: secondsOf(createdMs),
    in_progress_at: at('in_progress'),
    expires_at: secondsOf(expiresMs),
    finalizing_at: at('finalizing'),
    completed_at: at('completed'),
    failed_at: at('failed'),
    // Its window may be over while lines still run out.
    expired_at: state === 'expired' ? at('expired') : null,
    cancelling_at: at('cancelling'),
    cancelled_at: at('cancelled'),
    request_counts: counts,
    metadata,
  };
}
