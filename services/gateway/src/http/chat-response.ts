import type { wire } from '@tercet/contracts';
import type { Citation } from '../collections/retrieve.js';
import type { ServedModel } from '../models/served-model.js';
import type { AnswerEvent, Timeline, Usage } from '../pipeline/request.js';
import type { CollectedChoice, Finished } from './collect.js';
import type { ChoiceEvent } from './merge-answers.js';
import { ToolAnswer, type ToolUse } from './tools.js';

/** What all parts of one response share. */
export interface ResponseHead {
  readonly id: string;
  readonly created: number;
  readonly model: ServedModel;
  readonly wantsLogprobs: boolean;
  /** Present when the answer may call tools. */
  readonly toolMode: ToolUse['mode'] | undefined;
  /** Present when passages were put into the prompt. */
  readonly citations?: readonly Citation[] | undefined;
}

/** `chat.completion`, https://platform.openai.com/docs/api-reference/chat/object */
export function chatCompletion(head: ResponseHead, choices: readonly CollectedChoice[]): object {
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model.name,
    choices: choices.map((choice, index) => ({ index, ...wholeChoice(head, choice) })),
    usage: usageOf(choices.map(({ finished }) => finished.usage)),
    tercet: { ...timelineOf(choices[0]?.finished), ...(head.citations && { citations: head.citations }) },
  };
}

function wholeChoice({ model, wantsLogprobs, toolMode }: ResponseHead, choice: CollectedChoice): object {
  const { text, tokens, finished } = choice;
  const tools = toolMode === undefined ? undefined : new ToolAnswer(toolMode);
  const message = tools?.message(text) ?? { role: 'assistant', content: text, refusal: null };
  const content = tokens.map((token) => logprobOf(token, model));
  return {
    message,
    logprobs: wantsLogprobs ? { content, refusal: null } : null,
    finish_reason: finishReason(finished, tools),
  };
}

function finishReason({ reason }: Finished, tools: ToolAnswer | undefined): string {
  return reason === 'stop' && tools?.hasCalls === true ? 'tool_calls' : reason;
}

/** Fields of every `chat.completion.chunk`, https://platform.openai.com/docs/api-reference/chat-streaming */
export function chatChunk({ id, created, model }: ResponseHead): object {
  return { id, object: 'chat.completion.chunk', created, model: model.name };
}

/** The choice of a chunk for one event of one answer. */
export function chunkChoice(
  head: ResponseHead,
  { index, event }: ChoiceEvent,
  tools: ToolAnswer | undefined,
): object | undefined {
  const deltaOf = (text: string, isLast: boolean): object | undefined => {
    if (tools !== undefined) return tools.delta(text, isLast);
    return text === '' ? undefined : { content: text };
  };
  switch (event.kind) {
    case 'accepted':
      return { index, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null };
    case 'token': {
      const logprobs = head.wantsLogprobs ? { content: [logprobOf(event.token, head.model)], refusal: null } : null;
      const delta = deltaOf(event.text, false);
      if (delta === undefined && logprobs === null) return undefined;
      return { index, delta: delta ?? {}, logprobs, finish_reason: null };
    }
    case 'finished': {
      const delta = deltaOf(event.text, true) ?? {};
      return { index, delta, logprobs: null, finish_reason: finishReason(event, tools) };
    }
    default:
      return event satisfies never;
  }
}

/** Usage of one response: the prompt counts once, the answers together. */
export function usageOf(usages: readonly Usage[]): object {
  const [first] = usages;
  const promptTokens = first?.promptTokens ?? 0;
  const completionTokens = usages.reduce((sum, usage) => sum + usage.completionTokens, 0);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: first?.cachedTokens ?? 0, media_tokens: first?.mediaTokens ?? 0 },
  };
}

export function timelineOf(finished: Finished | undefined): object | undefined {
  if (finished === undefined) return undefined;
  const { cachedTokens, mediaTokens } = finished.usage;
  return { ...rounded(finished.timeline), cachedTokens, mediaTokens };
}

/** Parts of TTFT for the `Server-Timing` header, https://www.w3.org/TR/server-timing/ */
export function serverTiming({ ttftMs, parts }: Pick<Timeline, 'ttftMs' | 'parts'>): string {
  const names = {
    queue: parts.queueMs,
    'media-fetch': parts.mediaFetchMs,
    encode: parts.encodeMs,
    'media-transfer': parts.mediaTransferMs,
    'prefill-queue': parts.prefillQueueMs,
    prefill: parts.prefillMs,
    ttft: ttftMs,
  };
  return Object.entries(names)
    .map(([name, ms]) => `${name};dur=${ms.toFixed(2)}`)
    .join(', ');
}

/** The header that a streamed answer can have once this event is there: only the first knows its time. */
export function timingHeader(event: Exclude<AnswerEvent, { kind: 'accepted' }>): Record<string, string> {
  const ttft = event.kind === 'finished' ? event.timeline : event.ttft;
  return ttft === undefined ? {} : { 'Server-Timing': serverTiming(ttft) };
}

function logprobOf(token: wire.SampledToken, { tokenizer }: ServedModel): object {
  const entry = (tokenId: number, logprob: number) => {
    const bytes = tokenizer.bytesOf(tokenId);
    return { token: new TextDecoder().decode(bytes), logprob, bytes: [...bytes] };
  };
  return {
    ...entry(token.tokenId, token.logprob ?? 0),
    top_logprobs: token.topLogprobs.map(({ tokenId, logprob }) => entry(tokenId, logprob)),
  };
}

/** A hundredth of a millisecond is as fine as these are true. */
function rounded(timeline: Timeline): object {
  return JSON.parse(
    JSON.stringify(timeline, (_, value) => (typeof value === 'number' ? Math.round(value * 100) / 100 : value)),
  );
}
