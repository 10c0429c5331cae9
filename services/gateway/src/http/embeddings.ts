import { randomUUID } from 'node:crypto';
import { TercetError } from '@tercet/contracts';
import { z } from 'zod';
import { embeddingInput } from '../models/embedding-model.js';
import type { ModelTable } from '../models/model-table.js';
import type { EmbeddingRequest } from '../pipeline/embeddings.js';
import { parseBody } from './chat-request.js';
import type { Exchange } from './exchange.js';

/** Texts of one request. */
export const embeddingInputsMax = 2048;
const Tokens = z.array(z.int().min(0)).min(1);

export const EmbeddingsBody = z.strictObject({
  model: z.string().min(1),
  input: z.union([
    z.string(),
    Tokens,
    z.array(z.string()).min(1).max(embeddingInputsMax),
    z.array(Tokens).min(1).max(embeddingInputsMax),
  ]),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
  user: z.string().nullish(),
});

/** Vectors of texts, in order. */
export type Embed = (request: EmbeddingRequest, signal: AbortSignal) => Promise<number[][]>;

export interface EmbeddingsOptions {
  readonly models: ModelTable;
  readonly embed: Embed;
}

/** `POST /v1/embeddings`: a unit vector for each text. */
export async function embeddings(
  { models, embed }: EmbeddingsOptions,
  json: unknown,
  { response, signal, origin }: Exchange,
): Promise<void> {
  const body = parseBody(EmbeddingsBody, json);
  const model = models.embedder(body.model);
  const { dimensions = model.dimensions } = body;
  if (dimensions !== null && dimensions !== model.dimensions) {
    throw new TercetError('invalid_request', { param: 'dimensions', dimensions, expected: model.dimensions });
  }
  const inputs = inputsOf(body.input).map((input) => embeddingInput(model, input));
  const vectors = await embed({ requestId: randomUUID(), ...origin, model, inputs }, signal);
  const asText = body.encoding_format === 'base64';
  const tokens = inputs.reduce((sum, ids) => sum + ids.length, 0);
  response.json({
    object: 'list',
    data: vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: asText ? base64Of(vector) : vector,
    })),
    model: model.name,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}

function inputsOf(input: z.infer<typeof EmbeddingsBody>['input']): (string | readonly number[])[] {
  if (typeof input === 'string') return [input];
  return input.every((item) => typeof item === 'number') ? [input] : [...(input as (string | number[])[])];
}

/** Little-endian float32, as OpenAI's clients read it. */
function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4);
  return bytes.toString('base64');
}
