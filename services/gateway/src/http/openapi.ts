import { errorTable } from '@tercet/contracts';
import { z } from 'zod';
import { ChatBody } from './chat-request.js';
import { CompletionBody } from './completions.js';
import { EmbeddingsBody } from './embeddings.js';
import { ResponsesBody } from './responses.js';

const posts: Readonly<Record<string, { summary: string; body: z.ZodType }>> = {
  '/v1/chat/completions': { summary: 'Answer a conversation, with images where the model sees.', body: ChatBody },
  '/v1/completions': { summary: 'Continue a text or token ids, without a chat template.', body: CompletionBody },
  '/v1/responses': { summary: 'Answer text and images in the shape of the Responses API.', body: ResponsesBody },
  '/v1/embeddings': { summary: 'Turn texts into unit vectors.', body: EmbeddingsBody },
};

const gets: Readonly<Record<string, string>> = {
  '/v1/models': 'Models that this gateway serves.',
  '/v1/models/{model}': 'One model.',
  '/healthz': 'The process is up.',
  '/readyz': 'Every model has a pod of each stage that it needs; 503 names what is missing.',
  '/metrics': 'Metrics in the Prometheus text format.',
  '/tercet/pods': 'Stage processes with role, epoch, load and memory.',
  '/tercet/cluster': 'Pools: how their pods are split, what their controllers decided and why.',
};

/** The HTTP API as an OpenAPI 3.1 document, from the schemas that check the requests. */
export function openApiDocument(): object {
  return {
    openapi: '3.1.0',
    info: { title: 'tercet', version: '0.1.0', license: { name: 'Apache-2.0' } },
    paths: {
      ...mapped(posts, (path, { summary, body }) => ({ post: operation(path, summary, body) })),
      ...mapped(gets, (path, summary) => ({ get: operation(path, summary) })),
      '/openapi.json': { get: operation('/openapi.json', 'This document.') },
    },
    components: { schemas: { Error: errorSchema } },
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

function operation(path: string, summary: string, body?: z.ZodType): object {
  const failure = { $ref: '#/components/schemas/Error' };
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const requestBody = body === undefined ? {} : { requestBody: { required: true, content: json(schemaOf(body)) } };
  return {
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...requestBody,
    responses: { 200: { description: 'The answer.' }, default: { description: 'A failure.', content: json(failure) } },
  };
}

function json(schema: object): object {
  return { 'application/json': { schema } };
}

function schemaOf(body: z.ZodType): object {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(body, { io: 'input' });
  return schema;
}

function mapped<T>(record: Readonly<Record<string, T>>, make: (key: string, value: T) => object): object {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, make(key, value)]));
}
