import { randomUUID } from 'node:crypto';
import { TercetError } from '@tercet/contracts';
import type { ChatMessage } from '@tercet/text';
import type { Collections } from '../collections/collections.js';
import { retrieve } from '../collections/retrieve.js';
import type { GatewayMetrics } from '../metrics.js';
import type { ModelTable } from '../models/model-table.js';
import type { ServedModel } from '../models/served-model.js';
import type { AnswerEvent, GenerationRequest, MediaSource, Origin } from '../pipeline/request.js';
import { ChatBody, grammarOf, messagesOf, parseBody, samplingOf, stopsOf } from './chat-request.js';
import { chatChunk, chatCompletion, chunkChoice, type ResponseHead, serverTiming } from './chat-response.js';
import { choicesOf, repeated } from './choices.js';
import { collect } from './collect.js';
import type { Exchange } from './exchange.js';
import { type ChoiceEvent, mergeAnswers } from './merge-answers.js';
import { streamChoices } from './stream-choices.js';
import { answerGrammar, chatPrompt, ToolAnswers, type ToolUse, toolUseOf } from './tools.js';

/** Runs one answer. The pipeline, with whatever is counted around it. */
export type Generate = (request: GenerationRequest, signal: AbortSignal) => AsyncGenerator<AnswerEvent>;

export interface ChatOptions {
  readonly models: ModelTable;
  readonly generate: Generate;
  readonly metrics: GatewayMetrics;
  readonly collections: Collections;
}

/** `POST /v1/chat/completions` */
export async function chatCompletions(
  { models, generate, collections }: ChatOptions,
  json: unknown,
  { response, openStream, signal, origin }: Exchange,
): Promise<void> {
  const body = parseBody(ChatBody, json);
  const model = models.get(body.model);
  const toolUse = toolUseOf(body, model.template);
  const { messages, media } = messagesOf(body);
  const { retrieval } = body;
  const retrieved = retrieval ? await retrieve(collections, { retrieval, messages }, { origin, signal }) : { messages };
  const requests = requestsOf(body, { model, toolUse, origin, media, messages: retrieved.messages });
  const wantsLogprobs = body.logprobs ?? false;
  const created = Math.floor(Date.now() / 1000);
  const head: ResponseHead = {
    id: `chatcmpl-${requests[0]?.requestId}`,
    created,
    model,
    wantsLogprobs,
    toolMode: toolUse?.mode,
    citations: 'citations' in retrieved ? retrieved.citations : undefined,
  };
  const events = mergeAnswers(requests.map((request) => generate(request, signal)));
  if (body.stream === true) {
    const includeUsage = body.stream_options?.include_usage ?? false;
    const first = head.citations && { tercet: { citations: head.citations } };
    const shape = { id: head.id, envelope: chatChunk(head), includeUsage, first };
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

interface AskedOf {
  readonly model: ServedModel;
  readonly toolUse: ToolUse | undefined;
  readonly origin: Origin;
  readonly messages: readonly ChatMessage[];
  readonly media: readonly MediaSource[];
}

/** One request per choice. @throws invalid_request */
function requestsOf(body: ChatBody, { model, toolUse, origin, messages, media }: AskedOf): GenerationRequest[] {
  if (body.top_logprobs !== undefined && body.top_logprobs !== null && body.logprobs !== true) {
    throw new TercetError('invalid_request', { param: 'top_logprobs', reason: 'needs logprobs: true' });
  }
  const topLogprobs = body.logprobs === true ? { topLogprobs: body.top_logprobs ?? 0 } : {};
  const tokensMax = body.max_completion_tokens ?? body.max_tokens ?? undefined;
  const first = {
    requestId: randomUUID(),
    ...origin,
    model,
    media,
    sampling: samplingOf(body, { ...topLogprobs, grammar: answerGrammar(grammarOf(body), toolUse) }),
    ...(tokensMax === undefined ? {} : { tokensMax }),
    stop: stopsOf(body),
  };
  return choicesOf(first, repeated(chatPrompt(messages, toolUse), body.n));
}
