import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Log } from '@tercet/telemetry';
import type { Express, Request, Response } from 'express';
import { type BatchesOptions, cancelBatch, createBatch, getBatch, listBatches } from './batches.js';
import { answerFailure } from './error-body.js';
import { contentOf, deleteFile, type FilesOptions, fileObject, fileWith, listFiles, uploadFile } from './files.js';
import { onlyMethods } from './only-methods.js';
import { readJson } from './read-json.js';

export interface StoredRouteOptions extends FilesOptions, BatchesOptions {
  readonly bodyBytesMax: number;
  readonly log: Log;
}

/** Routes over the control store: files and batches. */
export function addStoredRoutes(app: Express, options: StoredRouteOptions): void {
  const { store, bodyBytesMax, log } = options;
  type Route = (request: Request, id: string, response: Response) => Promise<object | undefined>;
  const reply = (route: Route) => async (request: Request, response: Response) => {
    try {
      const body = await route(request, String(request.params.id ?? ''), response);
      if (body !== undefined) response.json(body);
    } catch (error) {
      answerFailure(log, { request, response }, error);
    }
  };
  app.post(
    '/v1/files',
    reply((request) => uploadFile(options, request)),
  );
  app.get(
    '/v1/files',
    reply(({ query }) => listFiles(options, query)),
  );
  app.all('/v1/files', onlyMethods('GET, HEAD, POST'));
  app.get(
    '/v1/files/:id',
    reply(async (_, id) => fileObject(await fileWith(store, id))),
  );
  app.delete(
    '/v1/files/:id',
    reply((_, id) => deleteFile(options, id)),
  );
  app.all('/v1/files/:id', onlyMethods('GET, HEAD, DELETE'));
  app.get(
    '/v1/files/:id/content',
    reply((_, id, response) => sendContent(options, id, response)),
  );
  app.all('/v1/files/:id/content', onlyMethods('GET, HEAD'));
  const json = (request: Request) => readJson(request, bodyBytesMax);
  app.post(
    '/v1/batches',
    reply(async (request) => createBatch(options, await json(request))),
  );
  app.get(
    '/v1/batches',
    reply(({ query }) => listBatches(options, query)),
  );
  app.all('/v1/batches', onlyMethods('GET, HEAD, POST'));
  app.get(
    '/v1/batches/:id',
    reply((_, id) => getBatch(options, id)),
  );
  app.all('/v1/batches/:id', onlyMethods('GET, HEAD'));
  app.post(
    '/v1/batches/:id/cancel',
    reply((_, id) => cancelBatch(options, id)),
  );
  app.all('/v1/batches/:id/cancel', onlyMethods('POST'));
}

/** `GET /v1/files/{id}/content`. The connection breaks when the content cannot be read to its end. */
async function sendContent({ store }: StoredRouteOptions, id: string, response: Response): Promise<undefined> {
  const file = await fileWith(store, id);
  response.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': String(file.bytes),
    'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.filename)}`,
    'X-Content-Type-Options': 'nosniff',
  });
  if (response.req.method === 'HEAD') response.end();
  else await pipeline(Readable.from(contentOf(store, file)), response);
}
