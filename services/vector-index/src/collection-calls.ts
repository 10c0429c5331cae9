import {
  type Collection,
  type CollectionLimits,
  checkIds,
  checkVector,
  floatsOf,
  pointsFromWire,
  pointsToWire,
  type Query,
  type QueryOptions,
  specFromWire,
  specToWire,
} from '@tercet/collection';
import type { CollectionStore, StoredCollection, WriteReceipt } from '@tercet/collection-store';
import { TercetError, type wire } from '@tercet/contracts';
import { answerToWire, filterFromWire, fusionFromWire, optionsFromWire } from './query-wire.js';

export interface CallLimits extends CollectionLimits {
  readonly queriesMax: number;
  readonly searchesMax: number;
}

export interface CollectionCallsOptions {
  readonly store: CollectionStore;
  readonly limits: CallLimits;
  /** How long a search waits for a write that it is told to see. */
  readonly behindMsMax: number;
}

interface Which {
  readonly tenant: string;
  readonly collection: string;
}

/** What a process answers about collections: requests and answers as they go over the wire. */
export class CollectionCalls {
  readonly #options: CollectionCallsOptions;
  #searches = 0;

  constructor(options: CollectionCallsOptions) {
    this.#options = options;
  }

  /** Searches that are being answered. */
  get searches(): number {
    return this.#searches;
  }

  async create({ tenant, spec }: wire.CreateCollectionRequest): Promise<wire.CollectionStatus> {
    if (spec === undefined) throw new TercetError('invalid_request', { param: 'spec', reason: 'missing' });
    await this.#options.store.create(tenant, specFromWire(spec));
    return this.status({ tenant, name: spec.name });
  }

  async status({ tenant, name }: wire.CollectionName): Promise<wire.CollectionStatus> {
    return this.#options.store.use({ tenant, name }, async (collection) => statusOf(collection));
  }

  async list({ tenant }: wire.ListCollectionsRequest): Promise<wire.CollectionList> {
    return { names: await this.#options.store.names(tenant) };
  }

  async delete({ tenant, name }: wire.CollectionName): Promise<wire.DeleteCollectionResponse> {
    await this.#options.store.delete({ tenant, name });
    return {};
  }

  async upsert({ points, ...which }: wire.UpsertPointsRequest): Promise<wire.WriteReceipt> {
    if (points === undefined) throw new TercetError('invalid_request', { param: 'points', reason: 'missing' });
    return receiptOf(await this.#with(which, (collection) => collection.upsert(pointsFromWire(points))));
  }

  async deletePoints({ which, ...where }: wire.DeletePointsRequest): Promise<wire.WriteReceipt> {
    if (which === undefined) throw new TercetError('invalid_request', { reason: 'neither ids nor a filter' });
    const receipt = this.#with(where, (collection) =>
      which.$case === 'ids'
        ? collection.delete(which.value.ids)
        : collection.deleteMatching(filterFromWire(which.value)),
    );
    return receiptOf(await receipt);
  }

  async get({ ids, withVectors, ...which }: wire.GetPointsRequest): Promise<wire.PointList> {
    checkIds(ids, this.#options.limits);
    return this.#with(which, async ({ memory }) => ({ points: pointsOf(memory.get(ids), withVectors) }));
  }

  async search(request: wire.SearchPointsRequest, signal: AbortSignal): Promise<wire.SearchPointsResponse> {
    const { limits } = this.#options;
    const options = { ...optionsFromWire(request.options, limits), ...fusionFromWire(request.fusion) };
    return this.#answer(request, signal, ({ spec }) => {
      return queriesOf(request, spec, limits).map((query) => ({ query, options }));
    });
  }

  async recommend(request: wire.RecommendPointsRequest, signal: AbortSignal): Promise<wire.SearchPointsResponse> {
    const { positiveIds, negativeIds } = request;
    checkIds([...positiveIds, ...negativeIds], this.#options.limits);
    if (positiveIds.length === 0) throw new TercetError('invalid_request', { param: 'positive_ids', reason: 'none' });
    const options = optionsFromWire(request.options, this.#options.limits);
    return this.#answer(request, signal, (memory) => {
      const vector = memory.likeness(positiveIds, negativeIds);
      return [{ query: { vector }, options: { ...options, without: [...positiveIds, ...negativeIds] } }];
    });
  }

  async scroll(request: wire.ScrollPointsRequest): Promise<wire.ScrollPointsResponse> {
    const { filter, limit, cursor, withVectors, ...which } = request;
    const { callPointsMax } = this.#options.limits;
    if (limit < 1) throw new TercetError('invalid_request', { param: 'limit', reason: 'must be from 1 on' });
    if (limit > callPointsMax) throw new TercetError('index_limit_reached', { limit, callPointsMax });
    return this.#with(which, async ({ memory }) => {
      const more = filter === undefined ? {} : { filter: filterFromWire(filter) };
      const page = memory.scroll({ limit, ...more, ...(cursor === '' ? {} : { after: cursor }) });
      return {
        points: pointsOf(page.points, withVectors),
        nextCursor: page.isLast ? '' : (page.points.ids.at(-1) as string),
      };
    });
  }

  async count({ filter, ...which }: wire.CountPointsRequest): Promise<wire.CountPointsResponse> {
    return this.#with(which, async ({ memory }) => ({
      points: BigInt(memory.count(filter === undefined ? undefined : filterFromWire(filter))),
    }));
  }

  async snapshot({ tenant, name }: wire.CollectionName): Promise<wire.SnapshotReceipt> {
    return snapshotOf(await this.#options.store.use({ tenant, name }, (collection) => collection.snapshot()));
  }

  async backup({ tenant, collection: name, backup }: wire.BackupCollectionRequest): Promise<wire.SnapshotReceipt> {
    return snapshotOf(await this.#options.store.backup({ tenant, name }, backup));
  }

  async restore({ tenant, collection: name, backup }: wire.BackupCollectionRequest): Promise<wire.CollectionStatus> {
    await this.#options.store.restore({ tenant, name }, backup);
    return this.status({ tenant, name });
  }

  #with<T>({ tenant, collection: name }: Which, work: (collection: StoredCollection) => Promise<T>): Promise<T> {
    return this.#options.store.use({ tenant, name }, work);
  }

  /** @throws overloaded, index_behind */
  async #answer(
    request: Which & { readonly options?: wire.SearchOptions | undefined },
    signal: AbortSignal,
    queriesOf: (memory: Collection) => readonly { query: Query; options: QueryOptions }[],
  ): Promise<wire.SearchPointsResponse> {
    const { searchesMax } = this.#options.limits;
    if (this.#searches >= searchesMax) throw new TercetError('overloaded', { searchesMax });
    this.#searches++;
    const { minOffset, withPayloads, withVectors } = request.options as wire.SearchOptions;
    try {
      return await this.#with(request, async (collection) => {
        await this.#seen(collection, Number(minOffset), signal);
        const queries = queriesOf(collection.memory);
        const answers = queries.map(({ query, options }) => collection.memory.search(query, options));
        return { results: answers.map((answer) => answerToWire(answer, { withPayloads, withVectors })) };
      });
    } finally {
      this.#searches--;
    }
  }

  async #seen(collection: StoredCollection, offset: number, signal: AbortSignal): Promise<void> {
    if (offset <= collection.state.offset) return;
    const { behindMsMax } = this.#options;
    const patience = AbortSignal.timeout(behindMsMax);
    try {
      await collection.seen(offset, AbortSignal.any([signal, patience]));
    } catch (error) {
      if (!patience.aborted || signal.aborted) throw error;
      throw new TercetError('index_behind', { offset, seen: collection.state.offset, behindMsMax });
    }
  }
}

/** @throws dimension_mismatch, vector_not_finite, vector_zero, invalid_request, index_limit_reached */
function queriesOf(
  { vectors: bytes, texts }: wire.SearchPointsRequest,
  spec: Collection['spec'],
  { queriesMax }: CallLimits,
): Query[] {
  const vectors = floatsOf(bytes);
  const { dimensions } = spec;
  if (vectors.length % dimensions !== 0) {
    throw new TercetError('dimension_mismatch', { dimensions, given: vectors.length });
  }
  const vectorCount = vectors.length / dimensions;
  const queries = Math.max(vectorCount, texts.length);
  if (queries === 0) throw new TercetError('invalid_request', { reason: 'neither vectors nor texts' });
  if (queries > queriesMax) throw new TercetError('index_limit_reached', { queries, queriesMax });
  if (vectorCount > 0 && texts.length > 0 && vectorCount !== texts.length) {
    throw new TercetError('invalid_request', { vectors: vectorCount, texts: texts.length });
  }
  return Array.from({ length: queries }, (_, i) => {
    const [vector, text] = [vectors.subarray(i * dimensions, (i + 1) * dimensions), texts[i]];
    if (vectorCount > 0) checkVector(spec, vector, `query ${i}`);
    return { ...(vectorCount > 0 ? { vector } : {}), ...(text === undefined ? {} : { text }) };
  });
}

function statusOf({ spec, state }: StoredCollection): wire.CollectionStatus {
  const { points, offset, snapshotOffset, logBytes, memory } = state;
  return {
    spec: specToWire(spec),
    points: BigInt(points),
    offset: BigInt(offset),
    snapshotOffset: BigInt(snapshotOffset),
    logBytes: BigInt(logBytes),
    memory: Object.entries(memory).map(([structure, bytes]) => ({ structure, bytes: BigInt(Math.round(bytes)) })),
  };
}

function pointsOf(points: Parameters<typeof pointsToWire>[0], withVectors: boolean): wire.Points {
  const all = pointsToWire(points);
  return withVectors ? all : { ...all, vectors: Buffer.alloc(0) };
}

function receiptOf({ offset, points }: WriteReceipt): wire.WriteReceipt {
  return { offset: BigInt(offset), points };
}

function snapshotOf({
  offset,
  points,
  bytes,
}: Awaited<ReturnType<StoredCollection['snapshot']>>): wire.SnapshotReceipt {
  return { offset: BigInt(offset), points: BigInt(points), bytes: BigInt(bytes) };
}
