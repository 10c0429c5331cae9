import { randomUUID } from 'node:crypto';
import { TercetError } from '@tercet/contracts';
import type { GatewayMetrics } from '../metrics.js';
import type { ModelTable } from '../models/model-table.js';
import type { ServedModel } from '../models/served-model.js';
import type { AnswerEvent, GenerationRequest } from '../pipeline/request.js';
import { ChatBody, grammarOf, messagesOf, parseBody, samplingOf, stopsOf } from './chat-request.js';
import { chatChunk, chatCompletion, chunkChoice, type ResponseHead, serverTiming } from './chat-response.js';
import { collect } from './collect.js';
import type { Exchange } from './exchange.js';
import { type ChoiceEvent, mergeAnswers } from './merge-answers.js';
import { streamChoices } from './stream-choices.js';
import { ToolAnswers, type ToolUse, toolUseOf } from './tools.js';

/** Runs one answer. The pipeline, with whatever is counted around it. */
export type Generate = (request: GenerationRequest, signal: AbortSignal) => AsyncGenerator<AnswerEvent>;

export interface ChatOptions {
  readonly models: ModelTable;
  readonly generate: Generate;
  readonly metrics: GatewayMetrics;
}

/** `POST /v1/chat/completions` */
export async function chatCompletions(
  { models, generate }: ChatOptions,
  json: unknown,
  { response, openStream, signal }: Exchange,
): Promise<void> {
  const body = parseBody(ChatBody, json);
  const model = models.get(body.model);
  const toolUse = toolUseOf(body, model.template);
  const requests = requestsOf(body, model, toolUse);
  const wantsLogprobs = body.logprobs ?? false;
  const created = Math.floor(Date.now() / 1000);
  const head: ResponseHead = {
    id: `chatcmpl-${requests[0]?.requestId}`,
    created,
    model,
    wantsLogprobs,
    toolMode: toolUse?.mode,
  };
  const events = mergeAnswers(requests.map((request) => generate(request, signal)));
  if (body.stream === true) {
    const shape = { id: head.id, envelope: chatChunk(head), includeUsage: body.stream_options?.include_usage ?? false };
    const tools = new ToolAnswers(head.toolMode);
    const choiceOf = (event: ChoiceEvent) => chunkChoice(head, event, tools.of(event.index));
    return streamChoices(events, { ...shape, choiceOf }, openStream);
  }
  const choices = await collect(events, requests.length);
  const first = choices[0]?.finished.timeline;
  if (first !== undefined) response.setHeader('Server-Timing', serverTiming(first));
  response.setHeader('x-request-id', head.id);
  response.json(chatCompletion(head, choices));
}

/** One request per choice; they differ in the seed. @throws invalid_request */
function requestsOf(body: ChatBody, model: ServedModel, toolUse: ToolUse | undefined): GenerationRequest[] {
  const { messages, media } = messagesOf(body);
  if (body.top_logprobs !== undefined && body.top_logprobs !== null && body.logprobs !== true) {
    throw new TercetError('invalid_request', { param: 'top_logprobs', reason: 'needs logprobs: true' });
  }
  const topLogprobs = body.logprobs === true ? { topLogprobs: body.top_logprobs ?? 0 } : {};
  const grammar = grammarOf(body);
  if (grammar !== '' && toolUse?.mode === 'forced') {
    throw new TercetError('invalid_request', { param: 'response_format', reason: 'the answer is a tool call' });
  }
  const sampling = samplingOf(body, { ...topLogprobs, grammar: toolUse?.grammar || grammar });
  const told = toolUse?.instruction === undefined ? messages : [toolUse.instruction, ...messages];
  const tools = toolUse?.tools === undefined ? {} : { tools: toolUse.tools };
  const tokensMax = body.max_completion_tokens ?? body.max_tokens ?? undefined;
  const id = randomUUID();
  return Array.from({ length: body.n ?? 1 }, (_, index) => ({
    requestId: index === 0 ? id : `${id}-${index}`,
    tenant: '',
    model,
    prompt: { kind: 'chat', messages: told, ...tools },
    media,
    sampling: { ...sampling, seed: BigInt.asUintN(64, sampling.seed + BigInt(index)) },
    ...(tokensMax === undefined ? {} : { tokensMax }),
    stop: stopsOf(body),
  }));
}
