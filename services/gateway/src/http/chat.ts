import { randomUUID } from 'node:crypto';
import { TercetError } from '@tercet/contracts';
import type { GatewayMetrics } from '../metrics.js';
import type { ModelTable } from '../models/model-table.js';
import type { ServedModel } from '../models/served-model.js';
import type { AnswerEvent, GenerationRequest, Origin } from '../pipeline/request.js';
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
}

/** `POST /v1/chat/completions` */
export async function chatCompletions(
  { models, generate }: ChatOptions,
  json: unknown,
  { response, openStream, signal, origin }: Exchange,
): Promise<void> {
  const body = parseBody(ChatBody, json);
  const model = models.get(body.model);
  const toolUse = toolUseOf(body, model.template);
  const requests = requestsOf(body, { model, toolUse, origin });
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

interface AskedOf {
  readonly model: ServedModel;
  readonly toolUse: ToolUse | undefined;
  readonly origin: Origin;
}

/** One request per choice. @throws invalid_request */
function requestsOf(body: ChatBody, { model, toolUse, origin }: AskedOf): GenerationRequest[] {
  const { messages, media } = messagesOf(body);
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
