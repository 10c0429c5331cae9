import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TercetError } from '@tercet/contracts';
import { type ControlStore, isGone, type StoredFile } from '@tercet/jobs';
import { z } from 'zod';
import { parseBody } from './chat-request.js';
import { readMultipart } from './multipart.js';

export interface FilesOptions {
  readonly store: ControlStore;
  readonly fileBytesMax: number;
}

const hour = 3600;
const day = 24 * hour;
const ExpirySeconds = z.coerce
  .number()
  .int()
  .min(hour)
  .max(30 * day);
const UploadFields = z.strictObject({
  purpose: z.literal('batch'),
  'expires_after[anchor]': z.literal('created_at').optional(),
  'expires_after[seconds]': ExpirySeconds.optional(),
});

/** The form of an upload, for the API's description. */
export const uploadForm = {
  type: 'object',
  required: ['purpose', 'file'],
  properties: {
    purpose: { enum: ['batch'] },
    file: { type: 'string', format: 'binary' },
    'expires_after[anchor]': { enum: ['created_at'] },
    'expires_after[seconds]': { type: 'integer', minimum: hour, maximum: 30 * day },
  },
};

const filesPageMax = 10_000;
export const FilesQuery = z.strictObject({
  purpose: z.string().optional(),
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(filesPageMax).default(filesPageMax),
  order: z.literal('desc').optional(),
});

/** Whose files and batches are seen. */
export interface Owned {
  readonly tenant: string;
}

/** `POST /v1/files` @throws invalid_request, body_too_large, store_unavailable, disk_full */
export async function uploadFile(
  { store, fileBytesMax }: FilesOptions,
  { request, tenant }: Owned & { readonly request: IncomingMessage },
): Promise<object> {
  const id = `file-${randomUUID().replaceAll('-', '')}`;
  const take = (content: AsyncIterable<Uint8Array>) => store.files.upload(id, content);
  const { filename, bytes, fields } = await readMultipart(request, { bytesMax: fileBytesMax, take });
  try {
    const file = await fileOf(store, { id, tenant, filename, bytes, fields });
    await store.files.publish(file);
    return fileObject(file);
  } catch (error) {
    await store.files.delete(id);
    throw error;
  }
}

async function fileOf(
  store: ControlStore,
  { fields, ...given }: Pick<StoredFile, 'id' | 'tenant' | 'filename' | 'bytes'> & { fields: object },
): Promise<StoredFile> {
  const { purpose, ...rest } = parseBody(UploadFields, fields);
  if (given.bytes === 0) throw new TercetError('invalid_request', { param: 'file', reason: 'empty' });
  const createdMs = await store.nowMs();
  const seconds = rest['expires_after[seconds]'];
  const expiresMs = seconds === undefined ? null : createdMs + seconds * 1000;
  const filename = given.filename.slice(0, 255);
  return { ...given, purpose, filename, createdMs, expiresMs, source: { kind: 'uploaded' } };
}

/** `GET /v1/files` */
export async function listFiles(
  { store }: FilesOptions,
  { tenant, query }: Owned & { readonly query: unknown },
): Promise<object> {
  const { purpose, after, limit } = parseBody(FilesQuery, query);
  if (after !== undefined) await fileWith(store, { tenant, id: after });
  const which = { ...(purpose === undefined ? {} : { purpose }), ...(after === undefined ? {} : { after }) };
  const { items, hasMore } = await store.files.list({ tenant, limit, ...which });
  const nowMs = await store.nowMs();
  return listObject(items.filter((file) => !isGone(file, nowMs)).map(fileObject), hasMore);
}

/** `GET /v1/files/{id}` @throws file_not_found */
export async function getFile({ store }: FilesOptions, which: FileId): Promise<object> {
  return fileObject(await fileWith(store, which));
}

type FileId = Owned & { readonly id: string };

/** @throws file_not_found */
export async function fileWith(store: ControlStore, { tenant, id }: FileId): Promise<StoredFile> {
  const file = await store.files.get(id);
  if (file === undefined || file.tenant !== tenant || isGone(file, await store.nowMs())) {
    throw new TercetError('file_not_found', { file: id.slice(0, 100) });
  }
  return file;
}

export function contentOf(store: ControlStore, { id, source }: StoredFile): AsyncIterable<Uint8Array> {
  return source.kind === 'uploaded' ? store.files.read(id) : store.jobs.results(source.jobId, source.outcome);
}

/** `DELETE /v1/files/{id}` @throws file_not_found */
export async function deleteFile({ store }: FilesOptions, which: Owned & { readonly id: string }): Promise<object> {
  const { id } = await fileWith(store, which);
  await store.files.delete(id);
  return { id, object: 'file', deleted: true };
}

/** https://platform.openai.com/docs/api-reference/files/object */
export function fileObject({ id, bytes, createdMs, expiresMs, filename, purpose }: StoredFile): object {
  const expires = expiresMs === null ? {} : { expires_at: secondsOf(expiresMs) };
  const about = { id, object: 'file', bytes, created_at: secondsOf(createdMs), ...expires, filename, purpose };
  return { ...about, status: 'processed', status_details: null };
}

export function listObject(data: readonly object[], hasMore: boolean): object {
  const idOf = (item: object | undefined) => (item as { id?: string } | undefined)?.id ?? null;
  return { object: 'list', data, first_id: idOf(data[0]), last_id: idOf(data.at(-1)), has_more: hasMore };
}

export function secondsOf(ms: number): number {
  return Math.floor(ms / 1000);
}
