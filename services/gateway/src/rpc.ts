import { randomUUID } from 'node:crypto';
import { TercetError, wire } from '@tercet/contracts';
import { type CallContext, type MountedService, service } from '@tercet/grpc';
import { acceptedTraceparent } from '@tercet/telemetry';
import type { Access } from './access/access.js';
import type { Generate } from './http/chat.js';
import { type Embed, embeddingInputsMax } from './http/embeddings.js';
import { mergeAnswers } from './http/merge-answers.js';
import { type ToolAnswer, ToolAnswers } from './http/tools.js';
import { embeddingInput } from './models/embedding-model.js';
import type { ModelTable } from './models/model-table.js';
import type { AnswerEvent, GenerationRequest, Origin } from './pipeline/request.js';
import { generationsOf } from './rpc-request.js';

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
  return { tenant, traceparent: acceptedTraceparent(metadata.get('traceparent')) };
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
  const { generations, toolMode } = generationsOf(request, models, origin);
  const tools = new ToolAnswers(toolMode);
  const answers = mergeAnswers(generations.map((generation) => generate(generation, signal)));
  for await (const { index, event } of answers) {
    const generation = generations[index] as GenerationRequest;
    yield { choice: index, event: eventOf(event, generation, tools.of(index)) };
  }
}

function eventOf(
  event: AnswerEvent,
  { requestId, model }: GenerationRequest,
  tools: ToolAnswer | undefined,
): wire.ChatEvent['event'] {
  const certain = (text: string, isLast: boolean) => {
    const taken = tools?.take(text, isLast) ?? { text, calls: [] };
    return { text: taken.text, toolCalls: taken.calls.map((call) => wire.ToolCallDelta.fromPartial(call)) };
  };
  switch (event.kind) {
    case 'accepted':
      return { $case: 'accepted', value: { requestId, model: model.name, promptTokens: event.promptTokens } };
    case 'token':
      return { $case: 'delta', value: { ...certain(event.text, false), tokens: [event.token] } };
    case 'finished': {
      const { usage, timeline, text } = event;
      const { FINISH_REASON_STOP, FINISH_REASON_LENGTH } = wire.FinishReason;
      const reason = event.reason === 'stop' ? FINISH_REASON_STOP : FINISH_REASON_LENGTH;
      const ttft = { ...timeline.parts, ttftMs: timeline.ttftMs, handoverMs: timeline.handoverMs };
      return { $case: 'finished', value: { reason, usage, ttft, ...certain(text, true) } };
    }
    default:
      return event satisfies never;
  }
}
