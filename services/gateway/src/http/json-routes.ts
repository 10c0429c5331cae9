import { type ChatOptions, chatCompletions } from './chat.js';
import { completions } from './completions.js';
import { type EmbeddingsOptions, embeddings } from './embeddings.js';
import type { Exchange } from './exchange.js';
import { responses } from './responses.js';

export interface JsonRouteOptions extends ChatOptions, EmbeddingsOptions {
  readonly models: ChatOptions['models'];
}

/** Answers one JSON document. @throws any code of the error table, as long as nothing was answered */
export type JsonRoute = (options: JsonRouteOptions, json: unknown, exchange: Exchange) => Promise<void>;

/** Routes that make models work: for HTTP clients, and for the lines of batches. */
export const jsonRoutes = {
  '/v1/chat/completions': chatCompletions,
  '/v1/completions': completions,
  '/v1/responses': responses,
  '/v1/embeddings': embeddings,
} as const satisfies Readonly<Record<string, JsonRoute>>;

export type JsonRoutePath = keyof typeof jsonRoutes;
