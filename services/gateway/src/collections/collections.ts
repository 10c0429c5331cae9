import { randomUUID } from 'node:crypto';
import { TercetError, type wire } from '@tercet/contracts';
import type { Embed } from '../http/embeddings.js';
import { type EmbeddingModel, embeddingInput } from '../models/embedding-model.js';
import type { ModelTable } from '../models/model-table.js';
import type { Origin } from '../pipeline/request.js';
import {
  type CollectionBody,
  fusionToWire,
  optionsToWire,
  type PointsBody,
  SearchBody,
  specToWire,
  vectorsToWire,
} from './collection-bodies.js';
import type { FilterBody } from './filter-body.js';
import type { VectorIndexClient } from './vector-index.js';

export interface CollectionsOptions {
  readonly models: ModelTable;
  readonly embed: Embed;
  readonly index: VectorIndexClient;
}

/** Who asks, and until when. */
export interface AskedBy {
  readonly origin: Origin;
  readonly signal: AbortSignal;
}

/** Which model embeds the texts of a collection, and the field that they stand in. */
interface Embedding {
  readonly model: EmbeddingModel;
  readonly field: string;
}

interface SearchWork {
  readonly collection: string;
  readonly body: SearchBody;
  readonly embedding: Embedding | undefined;
}

export interface PassageSearch {
  readonly query: string;
  readonly k: number;
  readonly filter?: FilterBody | null | undefined;
  readonly hybrid: boolean;
  readonly diversity: number;
}

export interface Passage {
  readonly id: string;
  readonly score: number;
  readonly text: string;
  /** Without the text. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Collections as clients of the gateway see them: what is text for them becomes a vector here. */
export class Collections {
  readonly #options: CollectionsOptions;

  constructor(options: CollectionsOptions) {
    this.#options = options;
  }

  get index(): VectorIndexClient {
    return this.#options.index;
  }

  async create(body: CollectionBody, { origin: { tenant }, signal }: AskedBy): Promise<wire.CollectionStatus> {
    const { models, index } = this.#options;
    const dimensions = body.embedding && models.embedder(body.embedding.model).dimensions;
    const spec = specToWire(body, dimensions);
    return index.call((calls) => calls.createCollection({ tenant, spec }, { signal }));
  }

  /** Points without a vector get that of their text. */
  async upsert(collection: string, { points }: PointsBody, by: AskedBy): Promise<wire.WriteReceipt> {
    const { index } = this.#options;
    const { tenant } = by.origin;
    const vectors = points.map(({ vector }) => vector);
    const lacking = points.filter(({ vector }) => vector === undefined);
    if (lacking.length > 0) {
      const spec = await this.#embedding(collection, by);
      const texts = lacking.map(({ id, payload }) => textOf(id, payload?.[spec.field]));
      const embedded = await this.#embed(spec.model, texts, by);
      for (const [i, point] of points.entries()) if (point.vector === undefined) vectors[i] = embedded.shift();
    }
    const ids = points.map(({ id }) => id);
    const payloads = points.map(({ payload }) => (payload === undefined ? '' : JSON.stringify(payload)));
    const columns = { ids, vectors: vectorsToWire(vectors as number[][]), payloads };
    return index.call((calls) => calls.upsertPoints({ tenant, collection, points: columns }, { signal: by.signal }));
  }

  async search(collection: string, body: SearchBody, by: AskedBy): Promise<wire.HitList> {
    const { query, vector, text, hybrid } = body;
    if (query !== undefined && vector !== undefined) throw wrong('vector', 'beside a query, which becomes one');
    if (hybrid && (query === undefined || text !== undefined)) throw wrong('hybrid', 'needs a query, and no text');
    const embedding = query === undefined ? undefined : await this.#embedding(collection, by);
    return this.#search({ collection, body, embedding }, by);
  }

  /** Texts of a collection that are nearest to a question, with what stands beside them. */
  async passages(collection: string, search: PassageSearch, by: AskedBy): Promise<Passage[]> {
    const body = SearchBody.parse({ ...search, with_payloads: true });
    const embedding = await this.#embedding(collection, by);
    const { hits } = await this.#search({ collection, body, embedding }, by);
    return hits.map(({ id, score, payload: json }) => {
      const { [embedding.field]: text, ...payload } = JSON.parse(json || '{}') as Record<string, unknown>;
      return { id, score, text: typeof text === 'string' ? text : '', payload };
    });
  }

  async #search({ collection, body, embedding }: SearchWork, by: AskedBy): Promise<wire.HitList> {
    const { query, vector, text, hybrid } = body;
    const embeds = query !== undefined && embedding !== undefined;
    const vectors = embeds ? await this.#embed(embedding.model, [query], by) : vector && [vector];
    const words = embeds && hybrid ? { field: embedding.field, words: query } : text;
    const request = {
      tenant: by.origin.tenant,
      collection,
      vectors: vectorsToWire(vectors ?? []),
      texts: words === undefined ? [] : [words],
      options: optionsToWire(body),
      fusion: fusionToWire(body.fusion),
    };
    const { results } = await this.index.call((calls) => calls.searchPoints(request, { signal: by.signal }));
    return results[0] as wire.HitList;
  }

  /** @throws invalid_request when the collection embeds nothing, collection_not_found */
  async #embedding(name: string, { origin, signal }: AskedBy): Promise<Embedding> {
    const { tenant } = origin;
    const { spec } = await this.index.call((calls) => calls.getCollection({ tenant, name }, { signal }));
    if (!spec?.embeddingModel) throw wrong('vector', 'the collection has no embedding model: texts stay texts');
    return { model: this.#options.models.embedder(spec.embeddingModel), field: spec.embeddedField };
  }

  #embed(model: EmbeddingModel, texts: readonly string[], { origin, signal }: AskedBy): Promise<number[][]> {
    const inputs = texts.map((text) => embeddingInput(model, text));
    return this.#options.embed({ requestId: randomUUID(), ...origin, model, inputs }, signal);
  }
}

/** @throws payload_invalid */
function textOf(id: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new TercetError('payload_invalid', { id, reason: 'neither a vector nor a text to embed' });
}

function wrong(param: string, reason: string): TercetError {
  return new TercetError('invalid_request', { param, reason });
}
