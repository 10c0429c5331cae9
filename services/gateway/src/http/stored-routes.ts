import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TercetError } from '@tercet/contracts';
import type { Log } from '@tercet/telemetry';
import type { Express } from 'express';
import type { Caller } from '../access/access.js';
import { type BatchesOptions, cancelBatch, createBatch, getBatch, listBatches } from './batches.js';
import { answerFailure } from './error-body.js';
import { contentOf, deleteFile, type FilesOptions, fileWith, getFile, listFiles, uploadFile } from './files.js';
import { refuseInternalFields } from './internal-fields.js';
import { addRoutes, type Exchange, type RouteTable } from './only-methods.js';
import { readJson } from './read-json.js';

export interface StoredRouteOptions extends FilesOptions, BatchesOptions {
  readonly bodyBytesMax: number;
  readonly log: Log;
}

/** What a route was asked, by whom. */
interface Asked extends Exchange {
  readonly tenant: string;
  /** Of the file or batch in the path; empty where the path names none. */
  readonly id: string;
  readonly query: unknown;
}

/** @returns what is answered; undefined when it answered already */
type StoredRoute = (options: StoredRouteOptions, asked: Asked) => Promise<object | undefined>;

const routes: RouteTable<StoredRoute> = {
  '/v1/files': { get: listFiles, post: uploadFile },
  '/v1/files/:id': { get: getFile, delete: deleteFile },
  '/v1/files/:id/content': { get: sendContent },
  '/v1/batches': { get: listBatches, post: createBatchOf },
  '/v1/batches/:id': { get: getBatch },
  '/v1/batches/:id/cancel': { post: cancelBatch },
};

/** Routes over the control store: files and batches. */
export function addStoredRoutes(app: Express, options: StoredRouteOptions): void {
  addRoutes(app, routes, (exchange, route) => reply(options, exchange, route));
}

async function reply(options: StoredRouteOptions, { request, response }: Exchange, route: StoredRoute): Promise<void> {
  const { query, params } = request;
  const { tenant } = response.locals.caller as Caller;
  try {
    const body = await route(options, { request, response, query, id: String(params.id ?? ''), tenant });
    if (body !== undefined) response.json(body);
  } catch (error) {
    answerFailure(options.log, { request, response }, error);
  }
}

async function createBatchOf(options: StoredRouteOptions, { request, tenant }: Asked): Promise<object> {
  const json = await readJson(request, options.bodyBytesMax);
  refuseInternalFields(json);
  return createBatch(options, { tenant, json });
}

/** `GET /v1/files/{id}/content`. The connection breaks when the content cannot be read to its end. */
async function sendContent({ store }: StoredRouteOptions, { response, ...which }: Asked): Promise<undefined> {
  const file = await fileWith(store, which);
  response.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': String(file.bytes),
    'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.filename)}`,
    'X-Content-Type-Options': 'nosniff',
  });
  if (response.req.method === 'HEAD') response.end();
  else await pipeline(Readable.from(contentOf(store, file)), response).catch(broken);
}

/** @throws cancelled when the client left, which is nobody's fault */
function broken(error: NodeJS.ErrnoException): never {
  throw error.code === 'ERR_STREAM_PREMATURE_CLOSE' ? new TercetError('cancelled') : error;
}
