import { randomUUID } from 'node:crypto';
import { TercetError, wire } from '@tercet/contracts';
import { type CallContext, type MountedService, service } from '@tercet/grpc';
import type { ChatMessage, ChatRole } from '@tercet/text';
import type { Access } from './access/access.js';
import type { Generate } from './http/chat.js';
import { topLogprobsMax } from './http/chat-request.js';
import { type Embed, embeddingInputsMax } from './http/embeddings.js';
import { embeddingInput } from './models/embedding-model.js';
import type { ModelTable } from './models/model-table.js';
import type { AnswerEvent, GenerationRequest, MediaSource, Origin } from './pipeline/request.js';

const roles = new Set(['system', 'developer', 'user', 'assistant', 'tool']);

export interface GatewayParts {
  readonly models: ModelTable;
  readonly access: Access;
  readonly generate: Generate;
  readonly embed: Embed;
}

/** The public gRPC API: the same pipelines as behind HTTP. */
export function gatewayService(parts: GatewayParts): MountedService {
  return service(wire.GatewayDefinition, {
    chat: (request, call) => chat(parts, request, { signal: call.signal, origin: originOf(parts, call) }),
    embed: (request, call) => embed(parts, request, { signal: call.signal, origin: originOf(parts, call) }),
    listModels: async (_, call) => {
      originOf(parts, call);
      return { models: parts.models.all.map(modelOf) };
    },
  });
}

/** Who calls and until when. */
interface Call {
  readonly origin: Origin;
  readonly signal: AbortSignal;
}

/** @throws unauthenticated, forbidden, store_unavailable */
function originOf({ access }: GatewayParts, { metadata }: CallContext): Origin {
  const { tenant } = access.callerOf(metadata.get('authorization'), 'inference');
  return { tenant, traceparent: metadata.get('traceparent') ?? '' };
}

function modelOf(model: ModelTable['all'][number]): wire.Model {
  const { name, kind, contextTokensMax } = model;
  return {
    name,
    acceptsImages: model.kind === 'text' && model.vision !== undefined,
    contextTokensMax,
    isEmbedder: kind === 'embedding',
  };
}

async function embed(
  { models, embed: vectorsOf }: GatewayParts,
  request: wire.EmbedRequest,
  { signal, origin }: Call,
): Promise<wire.EmbedResponse> {
  const model = models.embedder(request.model);
  if (request.inputs.length === 0 || request.inputs.length > embeddingInputsMax) {
    throw new TercetError('invalid_request', { param: 'inputs', inputs: request.inputs.length, embeddingInputsMax });
  }
  const inputs = request.inputs.map((text) => embeddingInput(model, text));
  const vectors = await vectorsOf({ requestId: randomUUID(), ...origin, model, inputs }, signal);
  const promptTokens = inputs.reduce((sum, ids) => sum + ids.length, 0);
  const usage = { promptTokens, completionTokens: 0, cachedTokens: 0, mediaTokens: 0 };
  return { results: vectors.map((values) => ({ values })), usage };
}

async function* chat(
  { models, generate }: GatewayParts,
  request: wire.ChatRequest,
  { signal, origin }: Call,
): AsyncGenerator<wire.ChatEvent> {
  const generation = generationOf(request, models, origin);
  for await (const event of generate(generation, signal)) yield eventOf(event, generation);
}

/** @throws invalid_request, model_not_found */
function generationOf(request: wire.ChatRequest, models: ModelTable, origin: Origin): GenerationRequest {
  const { options } = request;
  const media: MediaSource[] = [];
  const messages = request.messages.map((message): ChatMessage => {
    if (!roles.has(message.role)) throw new TercetError('invalid_request', { role: message.role });
    return { role: message.role as ChatRole, parts: message.parts.map((part) => partOf(part, media)) };
  });
  if (messages.length === 0) throw new TercetError('invalid_request', { param: 'messages', reason: 'none' });
  if (options?.tokensMax === 0) throw new TercetError('invalid_request', { param: 'options.tokens_max' });
  const topLogprobs = options?.topLogprobs ?? 0;
  if (topLogprobs > topLogprobsMax) {
    throw new TercetError('invalid_request', { param: 'options.top_logprobs', topLogprobs, topLogprobsMax });
  }
  return {
    requestId: randomUUID(),
    ...origin,
    model: models.get(request.model),
    prompt: { kind: 'chat', messages },
    media,
    sampling: samplingOf(options),
    ...(options?.tokensMax === undefined ? {} : { tokensMax: options.tokensMax }),
    stop: options?.stop ?? [],
  };
}

function partOf({ part }: wire.ContentPart, media: MediaSource[]): ChatMessage['parts'][number] {
  switch (part?.$case) {
    case 'text':
      return { kind: 'text', text: part.value };
    case 'image':
      media.push({ kind: 'bytes', bytes: part.value });
      return { kind: 'media' };
    case 'imageUrl':
      media.push({ kind: 'url', url: part.value });
      return { kind: 'media' };
    default:
      throw new TercetError('invalid_request', { reason: 'a part is empty' });
  }
}

function samplingOf(options: wire.GenerationOptions | undefined): wire.Sampling {
  return {
    temperature: options?.temperature ?? 1,
    topK: options?.topK ?? 0,
    topP: options?.topP ?? 1,
    minP: options?.minP ?? 0,
    repetitionPenalty: options?.repetitionPenalty ?? 1,
    frequencyPenalty: options?.frequencyPenalty ?? 0,
    presencePenalty: options?.presencePenalty ?? 0,
    logitBias: {},
    seed: options?.seed ?? (crypto.getRandomValues(new BigUint64Array(1))[0] as bigint),
    topLogprobs: options?.topLogprobs,
    grammar: options?.grammar ?? '',
    ignoreEos: false,
  };
}

function eventOf(event: AnswerEvent, { requestId, model }: GenerationRequest): wire.ChatEvent {
  switch (event.kind) {
    case 'accepted':
      return {
        event: { $case: 'accepted', value: { requestId, model: model.name, promptTokens: event.promptTokens } },
      };
    case 'token':
      return { event: { $case: 'delta', value: { text: event.text, tokens: [event.token] } } };
    case 'finished': {
      const { usage, timeline, text } = event;
      const { FINISH_REASON_STOP, FINISH_REASON_LENGTH } = wire.FinishReason;
      const reason = event.reason === 'stop' ? FINISH_REASON_STOP : FINISH_REASON_LENGTH;
      const ttft = { ...timeline.parts, ttftMs: timeline.ttftMs, handoverMs: timeline.handoverMs };
      return { event: { $case: 'finished', value: { reason, usage, ttft, text } } };
    }
    default:
      return event satisfies never;
  }
}
