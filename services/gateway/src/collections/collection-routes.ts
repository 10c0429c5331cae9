import { TercetError, type wire } from '@tercet/contracts';
import { acceptedTraceparent, type Log } from '@tercet/telemetry';
import type { Express } from 'express';
import type { Caller } from '../access/access.js';
import { parseBody } from '../http/chat-request.js';
import { answerFailure } from '../http/error-body.js';
import { refuseInternalFields } from '../http/internal-fields.js';
import { addRoutes, type Exchange, type RouteTable } from '../http/only-methods.js';
import { readJson } from '../http/read-json.js';
import {
  BackupBody,
  CollectionBody,
  CountBody,
  collectionObject,
  DeletePointsBody,
  GetPointsBody,
  hitsObject,
  optionsToWire,
  PointsBody,
  pointsObject,
  RecommendBody,
  ScrollBody,
  SearchBatchBody,
  SearchBody,
} from './collection-bodies.js';
import type { AskedBy, Collections } from './collections.js';
import { filterToWire, optionalFilter } from './filter-body.js';

export interface CollectionRouteOptions {
  readonly collections: Collections;
  readonly bodyBytesMax: number;
  readonly log: Log;
}

/** What a route was asked, by whom. */
interface Asked extends AskedBy {
  /** Of the collection in the path; empty where the path names none. */
  readonly name: string;
  readonly json: unknown;
}

type CollectionRoute = (collections: Collections, asked: Asked) => Promise<object>;

const one = '/v1/collections/:name';

const routes: RouteTable<CollectionRoute> = {
  '/v1/collections': { get: list, post: create },
  [one]: { get: status, delete: remove },
  [`${one}/points`]: { post: upsert },
  [`${one}/points/delete`]: { post: deletePoints },
  [`${one}/points/get`]: { post: getPoints },
  [`${one}/search`]: { post: search },
  [`${one}/search/batch`]: { post: searchBatch },
  [`${one}/recommend`]: { post: recommend },
  [`${one}/scroll`]: { post: scroll },
  [`${one}/count`]: { post: count },
  [`${one}/snapshot`]: { post: snapshot },
  [`${one}/backup`]: { post: backup },
  [`${one}/restore`]: { post: restore },
};

/** Routes over the vector index. */
export function addCollectionRoutes(app: Express, options: CollectionRouteOptions): void {
  addRoutes(app, routes, (exchange, route) => reply(options, exchange, route));
}

async function reply(
  { collections, bodyBytesMax, log }: CollectionRouteOptions,
  { request, response }: Exchange,
  route: CollectionRoute,
): Promise<void> {
  const gone = new AbortController();
  const traceparent = acceptedTraceparent(request.get('traceparent'));
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new TercetError('cancelled'));
  });
  try {
    const json = request.method === 'POST' ? await readJson(request, bodyBytesMax) : undefined;
    refuseInternalFields(json);
    const { tenant } = response.locals.caller as Caller;
    const by = { origin: { tenant, traceparent }, signal: gone.signal };
    response.json(await route(collections, { ...by, name: String(request.params.name ?? ''), json }));
  } catch (error) {
    answerFailure(log, { request, response, traceparent }, error);
  }
}

async function create(collections: Collections, asked: Asked): Promise<object> {
  return collectionObject(await collections.create(parseBody(CollectionBody, asked.json), asked));
}

async function list({ index }: Collections, { origin: { tenant }, signal }: Asked): Promise<object> {
  const { names } = await index.call((calls) => calls.listCollections({ tenant }, { signal }));
  return { object: 'list', data: names.map((name) => ({ object: 'collection', name })) };
}

async function status({ index }: Collections, { name, origin: { tenant }, signal }: Asked): Promise<object> {
  return collectionObject(await index.call((calls) => calls.getCollection({ tenant, name }, { signal })));
}

async function remove({ index }: Collections, { name, origin: { tenant }, signal }: Asked): Promise<object> {
  await index.call((calls) => calls.deleteCollection({ tenant, name }, { signal }));
  return { object: 'collection', name, deleted: true };
}

async function upsert(collections: Collections, asked: Asked): Promise<object> {
  return receiptObject(await collections.upsert(asked.name, parseBody(PointsBody, asked.json), asked));
}

async function deletePoints({ index }: Collections, asked: Asked): Promise<object> {
  const { name: collection, json, signal } = asked;
  const { tenant } = asked.origin;
  const body = parseBody(DeletePointsBody, json);
  const which =
    'ids' in body
      ? { $case: 'ids' as const, value: { ids: body.ids } }
      : { $case: 'filter' as const, value: filterToWire(body.filter) };
  return receiptObject(await index.call((calls) => calls.deletePoints({ tenant, collection, which }, { signal })));
}

async function getPoints({ index }: Collections, asked: Asked): Promise<object> {
  const { name: collection, json, signal } = asked;
  const { tenant } = asked.origin;
  const { ids, with_vectors: withVectors } = parseBody(GetPointsBody, json);
  const request = { tenant, collection, ids, withVectors };
  const { points } = await index.call((calls) => calls.getPoints(request, { signal }));
  return { object: 'list', data: pointsObject(points as wire.Points) };
}

async function search(collections: Collections, asked: Asked): Promise<object> {
  return hitsObject(await collections.search(asked.name, parseBody(SearchBody, asked.json), asked));
}

async function searchBatch(collections: Collections, asked: Asked): Promise<object> {
  const { searches } = parseBody(SearchBatchBody, asked.json);
  const all = await Promise.all(searches.map((body) => collections.search(asked.name, body, asked)));
  return { object: 'list', data: all.map(hitsObject) };
}

async function recommend({ index }: Collections, asked: Asked): Promise<object> {
  const { name: collection, json, signal } = asked;
  const { tenant } = asked.origin;
  const { positive_ids: positiveIds, negative_ids: negativeIds, ...body } = parseBody(RecommendBody, json);
  const request = { tenant, collection, positiveIds, negativeIds, options: optionsToWire(body) };
  const { results } = await index.call((calls) => calls.recommendPoints(request, { signal }));
  return hitsObject(results[0] as wire.HitList);
}

async function scroll({ index }: Collections, asked: Asked): Promise<object> {
  const { name: collection, json, signal } = asked;
  const { tenant } = asked.origin;
  const { filter, limit, cursor, with_vectors: withVectors } = parseBody(ScrollBody, json);
  const request = { tenant, collection, limit, cursor, withVectors, ...optionalFilter(filter) };
  const { points, nextCursor } = await index.call((calls) => calls.scrollPoints(request, { signal }));
  const data = pointsObject(points as wire.Points);
  return { object: 'list', data, next_cursor: nextCursor === '' ? null : nextCursor };
}

async function count({ index }: Collections, asked: Asked): Promise<object> {
  const { name: collection, json, signal } = asked;
  const { tenant } = asked.origin;
  const { filter } = parseBody(CountBody, json);
  const request = { tenant, collection, ...optionalFilter(filter) };
  const { points } = await index.call((calls) => calls.countPoints(request, { signal }));
  return { points: Number(points) };
}

async function snapshot({ index }: Collections, { name, origin: { tenant }, signal }: Asked): Promise<object> {
  return snapshotObject(await index.call((calls) => calls.snapshotCollection({ tenant, name }, { signal })));
}

async function backup({ index }: Collections, { name, json, origin: { tenant }, signal }: Asked): Promise<object> {
  const request = { tenant, collection: name, ...parseBody(BackupBody, json) };
  return snapshotObject(await index.call((calls) => calls.backupCollection(request, { signal })));
}

async function restore({ index }: Collections, { name, json, origin: { tenant }, signal }: Asked): Promise<object> {
  const request = { tenant, collection: name, ...parseBody(BackupBody, json) };
  return collectionObject(await index.call((calls) => calls.restoreCollection(request, { signal })));
}

function receiptObject({ offset, points }: wire.WriteReceipt): object {
  return { offset: Number(offset), points };
}

function snapshotObject({ offset, points, bytes }: wire.SnapshotReceipt): object {
  return { offset: Number(offset), points: Number(points), bytes: Number(bytes) };
}
