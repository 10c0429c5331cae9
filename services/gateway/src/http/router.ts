import { createReadStream, statSync } from 'node:fs';
import { extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TercetError, toTercetError, wire } from '@tercet/contracts';
import type { Log } from '@tercet/telemetry';
import { webRoot } from '@tercet/web';
import express, { type Express, type Request, type Response } from 'express';
import type { ModelTable } from '../models/model-table.js';
import type { Admission } from '../pipeline/admission.js';
import type { PodTable } from '../pods/pod-table.js';
import type { PoolWatch } from '../pods/pool-watch.js';
import { type ChatOptions, chatCompletions, type Exchange } from './chat.js';
import { completions } from './completions.js';
import { type EmbeddingsOptions, embeddings } from './embeddings.js';
import { sendError } from './error-body.js';
import { openApiDocument } from './openapi.js';
import { phaseName, poolObject, roleName } from './pool-object.js';
import { readJson } from './read-json.js';
import { responses } from './responses.js';

export interface RouterOptions extends ChatOptions, EmbeddingsOptions {
  readonly models: ModelTable;
  readonly pods: PodTable;
  readonly pools: PoolWatch;
  readonly admission: Admission;
  readonly bodyBytesMax: number;
  readonly log: Log;
}

type JsonRoute = (options: RouterOptions, json: unknown, exchange: Exchange) => Promise<void>;

const postRoutes: Readonly<Record<string, JsonRoute>> = {
  '/v1/chat/completions': chatCompletions,
  '/v1/completions': completions,
  '/v1/responses': responses,
  '/v1/embeddings': embeddings,
};

/** Beside the files of the page. */
const getRoutes = [
  '/v1/models',
  '/v1/models/:name',
  '/openapi.json',
  '/healthz',
  '/readyz',
  '/metrics',
  '/tercet/pods',
  '/tercet/cluster',
];

/** Every HTTP route of the gateway. */
export function routesOf(options: RouterOptions): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag');
  for (const [path, route] of Object.entries(postRoutes)) {
    app.post(path, (request, response) => answer(options, { request, response }, route));
    app.all(path, onlyMethods('POST'));
  }
  app.get('/v1/models', (_, response) => response.json({ object: 'list', data: options.models.all.map(modelObject) }));
  app.get('/v1/models/:name', (request, response) => {
    guarded(response, () => response.json(modelObject(options.models.any(request.params.name))));
  });
  app.get('/openapi.json', (_, response) => response.json(openApiDocument()));
  app.get('/healthz', (_, response) => response.type('text').send('ok\n'));
  app.get('/readyz', (_, response) => ready(options, response));
  app.get('/metrics', async (_, response) => {
    const { registry } = options.metrics;
    response.type(registry.contentType).send(await registry.metrics());
  });
  app.get('/tercet/pods', (_, response) => response.json({ pods: options.pods.statuses().map(podObject) }));
  app.get('/tercet/cluster', (_, response) => response.json({ pools: options.pools.pools.map(poolObject) }));
  app.all(getRoutes, onlyMethods('GET, HEAD'));
  app.get(/.*/, (request, response) => sendPage(request, response));
  app.use((request: Request, response: Response) => {
    sendError(response, new TercetError('route_not_found', { path: request.path }));
  });
  app.use(badPath);
  return app;
}

function onlyMethods(allow: string): (request: Request, response: Response) => void {
  return ({ method, path }, response) => {
    response.setHeader('Allow', allow);
    sendError(response, new TercetError('method_not_allowed', { method, path }));
  };
}

/** Express gives the error of a path that it cannot decode only to a function of four parameters. */
function badPath(error: unknown, request: Request, response: Response, _next: unknown): void {
  const isPath = error instanceof URIError;
  const failure = isPath ? new TercetError('invalid_request', { path: request.path, reason: 'not a path' }) : error;
  sendError(response, failure);
}

/** Reads the body, runs the route, and cancels everything when the client leaves. */
async function answer(
  options: RouterOptions,
  { request, response }: Pick<Exchange, 'request' | 'response'>,
  route: JsonRoute,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new TercetError('cancelled'));
  });
  try {
    const json = await readJson(request, options.bodyBytesMax);
    await route(options, json, { request, response, signal: gone.signal });
  } catch (error) {
    const failure = toTercetError(error);
    if (failure.code === 'internal') options.log.error('http.failed', { path: request.path, error: failure });
    if (failure.code === 'body_too_large') response.setHeader('Connection', 'close');
    sendError(response, failure);
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
    const there = new Set(pods.ready().flatMap((pod) => (pod.model === model.name ? [pod.role] : [])));
    return rolesFor(model).flatMap((role) => (there.has(role) ? [] : [`${model.name}: no ${roleName(role)}`]));
  });
  if (admission.isClosed) missing.push('stopping');
  response.status(missing.length === 0 ? 200 : 503).json({ ready: missing.length === 0, missing });
}

function rolesFor(model: ModelTable['all'][number]): wire.Role[] {
  const { ROLE_ENCODE, ROLE_PREFILL, ROLE_DECODE } = wire.Role;
  if (model.kind === 'embedding') return [ROLE_ENCODE];
  return [ROLE_PREFILL, ROLE_DECODE, ...(model.vision === undefined ? [] : [ROLE_ENCODE])];
}

function podObject(status: wire.WorkerStatus): object {
  const { podId, role, epoch, phase, model, load, residentBytes } = status;
  const { waiting = 0, running = 0, kvBlocksUsed = 0, kvBlocksTotal = 0, stepMsMean = 0, leasesOpen = 0 } = load ?? {};
  const figures = { waiting, running, kvBlocksUsed, kvBlocksTotal, stepMsMean, leasesOpen };
  const about = { podId, role: roleName(role), epoch: Number(epoch), phase: phaseName(phase), model };
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
