import { createReadStream, statSync } from 'node:fs';
import { extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, roleNameOf, TercetError, type wire } from '@tercet/contracts';
import { acceptedTraceparent } from '@tercet/telemetry';
import type { Scope } from '@tercet/tenancy';
import { webRoot } from '@tercet/web';
import express, { type Express, type Request, type RequestHandler, type Response } from 'express';
import type { Access, Caller } from '../access/access.js';
import { addCollectionRoutes, type CollectionRouteOptions } from '../collections/collection-routes.js';
import type { ModelTable } from '../models/model-table.js';
import { rolesFor } from '../models/roles-for.js';
import type { Admission } from '../pipeline/admission.js';
import type { PodTable } from '../pods/pod-table.js';
import type { PoolWatch } from '../pods/pool-watch.js';
import { answerFailure, sendError } from './error-body.js';
import { EventStream } from './event-stream.js';
import { refuseInternalFields } from './internal-fields.js';
import { type JsonRoute, type JsonRouteOptions, jsonRoutes } from './json-routes.js';
import { type Exchange, onlyMethods } from './only-methods.js';
import { openApiDocument } from './openapi.js';
import { phaseName, poolObject, roleName } from './pool-object.js';
import { readJson } from './read-json.js';
import { addStoredRoutes, type StoredRouteOptions } from './stored-routes.js';

export interface RouterOptions extends JsonRouteOptions, StoredRouteOptions, CollectionRouteOptions {
  readonly models: ModelTable;
  readonly pods: PodTable;
  readonly access: Access;
  readonly pools: PoolWatch;
  readonly admission: Admission;
}

/** Beside the files of the page. */
const getRoutes = [
  '/v1/models',
  '/v1/models/:name',
  '/openapi.json',
  '/healthz',
  '/readyz',
  '/metrics',
  '/tercet/pods',
  '/tercet/tenants',
  '/tercet/cluster',
];

/** Every HTTP route of the gateway. */
export function routesOf(options: RouterOptions): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag');
  app.use(countErrors(options));
  app.use('/v1/', onlyWith('inference', options));
  app.use('/tercet/', onlyWith('admin', options));
  for (const [path, route] of Object.entries(jsonRoutes)) {
    app.post(path, (request, response) => answer(options, { request, response }, route));
    app.all(path, onlyMethods('POST'));
  }
  addStoredRoutes(app, options);
  addCollectionRoutes(app, options);
  app.get('/v1/models', (_, response) => response.json({ object: 'list', data: options.models.all.map(modelObject) }));
  app.get('/v1/models/:name', (request, response) => {
    guarded(response, () => response.json(modelObject(options.models.any(request.params.name))));
  });
  app.get('/openapi.json', (_, response) => response.json(openApiDocument()));
  app.get('/healthz', (_, response) => response.type('text').send('ok\n'));
  app.get('/readyz', (_, response) => ready(options, response));
  app.get('/metrics', async (_, response) => {
    response.type(options.metrics.contentType).send(await options.metrics.text());
  });
  app.get('/tercet/pods', (_, response) => response.json({ pods: options.pods.statuses().map(podObject) }));
  app.get('/tercet/tenants', (_, response) => response.json({ tenants: options.admission.tenants() }));
  app.get('/tercet/cluster', (_, response) => response.json({ pools: options.pools.pools.map(poolObject) }));
  app.all(getRoutes, onlyMethods('GET, HEAD'));
  app.get(/.*/, (request, response) => sendPage(request, response));
  app.use((request: Request, response: Response) => {
    sendError(response, new TercetError('route_not_found', { path: request.path }));
  });
  app.use(badPath);
  return app;
}

/** Counts what {@link sendError} answers, whichever route it was. */
function countErrors({ metrics }: RouterOptions): RequestHandler {
  return (_, response, next) => {
    response.once('finish', () => {
      const { errorCode } = response.locals as { readonly errorCode?: ErrorCode };
      if (errorCode !== undefined) metrics.refused(errorCode);
    });
    next();
  };
}

/** Lets callers with this scope through. They are asked before the body is read. */
function onlyWith(scope: Scope, { access }: RouterOptions): RequestHandler {
  return ({ headers }, response, next) => {
    try {
      response.locals.caller = access.callerOf(headers.authorization, scope);
    } catch (error) {
      response.setHeader('Connection', 'close');
      sendError(response, error);
      return;
    }
    next();
  };
}

/** Express gives the error of a path that it cannot decode only to a function of four parameters. */
function badPath(error: unknown, request: Request, response: Response, _next: unknown): void {
  const isPath = error instanceof URIError;
  const failure = isPath ? new TercetError('invalid_request', { path: request.path, reason: 'not a path' }) : error;
  sendError(response, failure);
}

/** Reads the body, runs the route, and cancels everything when the client leaves. */
async function answer(options: RouterOptions, { request, response }: Exchange, route: JsonRoute): Promise<void> {
  const gone = new AbortController();
  const traceparent = acceptedTraceparent(request.get('traceparent'));
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new TercetError('cancelled'));
  });
  try {
    const json = await readJson(request, options.bodyBytesMax);
    refuseInternalFields(json);
    const { tenant } = response.locals.caller as Caller;
    const openStream = (headers: Readonly<Record<string, string>>) => new EventStream(response, headers);
    await route(options, json, { response, openStream, origin: { tenant, traceparent }, signal: gone.signal });
  } catch (error) {
    answerFailure(options.log, { request, response, traceparent }, error);
  }
}

function guarded(response: Response, work: () => void): void {
  try {
    work();
  } catch (error) {
    sendError(response, error);
  }
}

function modelObject(model: ModelTable['all'][number]): object {
  const { name, kind, contextTokensMax } = model;
  const more = model.kind === 'text' ? { acceptsImages: model.vision !== undefined } : { dimensions: model.dimensions };
  const tercet = { kind, contextTokensMax, ...more };
  return { id: name, object: 'model', created: 0, owned_by: 'tercet', tercet };
}

/** Ready when every model has a pod of each stage that it needs. */
function ready({ models, pods, admission }: RouterOptions, response: Response): void {
  const missing = models.all.flatMap((model) => {
    const there = new Set(pods.ready().flatMap((pod) => (pod.model === model.name ? [roleNameOf(pod.role)] : [])));
    return rolesFor(model).flatMap((role) => (there.has(role) ? [] : [`${model.name}: no ${role}`]));
  });
  if (admission.isClosed) missing.push('stopping');
  response.status(missing.length === 0 ? 200 : 503).json({ ready: missing.length === 0, missing });
}

function podObject(status: wire.WorkerStatus): object {
  const { podId, role, epoch, phase, model, load, residentBytes } = status;
  const { waiting = 0, running = 0, kvBlocksUsed = 0, kvBlocksTotal = 0, stepMsMean = 0, leasesOpen = 0 } = load ?? {};
  const figures = { waiting, running, kvBlocksUsed, kvBlocksTotal, stepMsMean, leasesOpen };
  const named = { role: roleName(role), epoch: Number(epoch), phase: phaseName(phase) };
  const about = { podId, ...named, model };
  return { ...about, ...figures, residentBytes: Number(residentBytes) };
}

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
};
const root = fileURLToPath(webRoot);

/** A file of the page; nothing outside its folder, nothing of another type. */
function sendPage(request: Request, response: Response): void {
  const asked = request.path === '/' ? '/index.html' : request.path;
  const path = normalize(join(root, asked));
  const type = contentTypes[extname(path)];
  const inside = path.startsWith(root.endsWith(sep) ? root : root + sep);
  const isFile = inside && type !== undefined && statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  if (!isFile) {
    sendError(response, new TercetError('route_not_found', { path: request.path }));
    return;
  }
  response.writeHead(200, {
    'Content-Type': type,
    'Cache-Control': 'no-cache',
    'Content-Security-Policy': "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  });
  createReadStream(path).pipe(response);
}
