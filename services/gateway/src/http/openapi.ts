import { errorTable } from '@tercet/contracts';
import { z } from 'zod';
import {
  BackupBody,
  CollectionBody,
  CountBody,
  DeletePointsBody,
  GetPointsBody,
  PointsBody,
  RecommendBody,
  ScrollBody,
  SearchBatchBody,
  SearchBody,
} from '../collections/collection-bodies.js';
import { BatchBody, BatchesQuery } from './batches.js';
import { ChatBody } from './chat-request.js';
import { CompletionBody } from './completions.js';
import { EmbeddingsBody } from './embeddings.js';
import { FilesQuery, uploadForm } from './files.js';
import { ResponsesBody } from './responses.js';

const posts: Readonly<Record<string, { summary: string; body: z.ZodType }>> = {
  '/v1/chat/completions': { summary: 'Answer a conversation, with images where the model sees.', body: ChatBody },
  '/v1/completions': { summary: 'Continue a text or token ids, without a chat template.', body: CompletionBody },
  '/v1/responses': { summary: 'Answer text and images in the shape of the Responses API.', body: ResponsesBody },
  '/v1/embeddings': { summary: 'Turn texts into unit vectors.', body: EmbeddingsBody },
};

const file = '/v1/files/{file_id}';
const batch = '/v1/batches/{batch_id}';

/** Files and batches: operations by path and method. */
const stored = {
  '/v1/files': {
    get: operation('/v1/files', 'Files, newest first.', { query: FilesQuery }),
    post: operation('/v1/files', 'Upload the input of a batch: one request a line, as JSON.', { form: uploadForm }),
  },
  [file]: { get: operation(file, 'One file.'), delete: operation(file, 'Delete a file with its content.') },
  [`${file}/content`]: { get: operation(`${file}/content`, 'The content of a file.') },
  '/v1/batches': {
    get: operation('/v1/batches', 'Batches, newest first.', { query: BatchesQuery }),
    post: operation('/v1/batches', 'Run every line of a file within a day.', { body: BatchBody }),
  },
  [batch]: { get: operation(batch, 'One batch: its state, its counts, its result files.') },
  [`${batch}/cancel`]: { post: operation(`${batch}/cancel`, 'Begin no further line of a batch.') },
};

const collection = '/v1/collections/{name}';

/** Collections: operations by path and method. */
const collections = {
  '/v1/collections': {
    get: operation('/v1/collections', 'Names of the collections.'),
    post: operation('/v1/collections', 'Make a collection.', { body: CollectionBody }),
  },
  [collection]: {
    get: operation(collection, 'One collection: what it is, how much it holds.'),
    delete: operation(collection, 'Take a collection away with all that it holds.'),
  },
  ...mapped(
    {
      points: ['Write points.', PointsBody],
      'points/get': ['Points by their ids.', GetPointsBody],
      'points/delete': ['Delete points by their ids or by a filter.', DeletePointsBody],
      search: ['Find what is nearest.', SearchBody],
      'search/batch': ['Several searches.', SearchBatchBody],
      recommend: ['Find what is like some points and unlike others.', RecommendBody],
      scroll: ['Points in the order of their ids.', ScrollBody],
      count: ['How many points a filter lets through.', CountBody],
      snapshot: ['Write all points into one file.', z.strictObject({})],
      backup: ['Copy the collection into the folder of backups.', BackupBody],
      restore: ['Make the collection from a backup.', BackupBody],
    } as Readonly<Record<string, readonly [string, z.ZodType]>>,
    (path, [summary, body]) => ({ post: operation(`${collection}/${path}`, summary, { body }) }),
    (path) => `${collection}/${path}`,
  ),
};

const gets: Readonly<Record<string, string>> = {
  '/v1/models': 'Models that this gateway serves.',
  '/v1/models/{model}': 'One model.',
  '/healthz': 'The process is up.',
  '/readyz': 'Every model has a pod of each stage that it needs; 503 names what is missing.',
  '/metrics': 'Metrics in the Prometheus text format.',
  '/tercet/pods': 'Stage processes with role, epoch, load and memory.',
  '/tercet/tenants': 'Tenants with what they run now and what is left of their rates.',
  '/tercet/cluster': 'Pools: how their pods are split, what their controllers decided and why.',
};

/** The HTTP API as an OpenAPI 3.1 document, from the schemas that check the requests. */
export function openApiDocument(): object {
  return {
    openapi: '3.1.0',
    info: { title: 'tercet', version: '0.1.0', license: { name: 'Apache-2.0' } },
    paths: {
      ...mapped(posts, (path, { summary, body }) => ({ post: operation(path, summary, { body }) })),
      ...stored,
      ...collections,
      ...mapped(gets, (path, summary) => ({ get: operation(path, summary) })),
      '/openapi.json': { get: operation('/openapi.json', 'This document.') },
    },
    components: {
      schemas: { Error: errorSchema, Filter: filterSchema() },
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
    },
    // Both are right: whether a key is required is for the gateway to say.
    security: [{ key: [] }, {}],
  };
}

const errorSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'code'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { type: ['string', 'null'] },
        code: { enum: Object.keys(errorTable) },
        request_id: { type: ['string', 'null'] },
      },
    },
  },
};

interface Input {
  readonly body?: z.ZodType;
  readonly query?: z.ZodObject;
  /** Schema of a multipart form. */
  readonly form?: object;
}

function operation(path: string, summary: string, { body, query, form }: Input = {}): object {
  const failure = { $ref: '#/components/schemas/Error' };
  const parameters = [...pathParameters(path), ...queryParameters(query)];
  const content = body === undefined ? form && { 'multipart/form-data': { schema: form } } : json(schemaOf(body));
  const requestBody = content === undefined ? {} : { requestBody: { required: true, content } };
  return {
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...requestBody,
    responses: { 200: { description: 'The answer.' }, default: { description: 'A failure.', content: json(failure) } },
  };
}

function pathParameters(path: string): object[] {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  return names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
}

/** As they are after they were read: every value of a query is text before. */
function queryParameters(query: z.ZodObject | undefined): object[] {
  return Object.entries(query?.shape ?? {}).map(([name, field]) => {
    return { name, in: 'query', required: false, schema: schemaOf(field, 'output') };
  });
}

function json(schema: object): object {
  return { 'application/json': { schema } };
}

/** What stands in several bodies, or in itself, is among the components. */
function schemaOf(body: z.ZodType, io: 'input' | 'output' = 'input'): object {
  const { $schema: _dialect, $defs: _components, ...schema } = z.toJSONSchema(body, { io });
  return fromComponents(schema);
}

function filterSchema(): object {
  return fromComponents(z.toJSONSchema(CountBody, { io: 'input' }).$defs?.Filter ?? {});
}

function fromComponents(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'));
}

function mapped<T>(
  record: Readonly<Record<string, T>>,
  make: (key: string, value: T) => object,
  name = (key: string) => key,
): object {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [name(key), make(key, value)]));
}
