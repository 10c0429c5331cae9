import type { wire } from '@tercet/contracts';
import type { ServedModel } from '../models/served-model.js';
import type { AnswerEvent, Timeline, Usage } from '../pipeline/request.js';
import type { CollectedChoice, Finished } from './collect.js';

/** What all parts of one response share. */
export interface ResponseHead {
  readonly id: string;
  readonly created: number;
  readonly model: ServedModel;
  readonly wantsLogprobs: boolean;
}

/** `chat.completion`, https://platform.openai.com/docs/api-reference/chat/object */
export function chatCompletion(head: ResponseHead, choices: readonly CollectedChoice[]): object {
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model.name,
    choices: choices.map(({ text, tokens, finished }, index) => ({
      index,
      message: { role: 'assistant', content: text, refusal: null },
      logprobs: head.wantsLogprobs
        ? { content: tokens.map((token) => logprobOf(token, head.model)), refusal: null }
        : null,
      finish_reason: finished.reason,
    })),
    usage: usageOf(choices.map(({ finished }) => finished.usage)),
    tercet: timelineOf(choices[0]?.finished),
  };
}

/** `chat.completion.chunk`, https://platform.openai.com/docs/api-reference/chat-streaming */
export function chatChunk(head: ResponseHead, choices: readonly object[], more: object = {}): object {
  const { id, created, model } = head;
  return { id, object: 'chat.completion.chunk', created, model: model.name, choices, ...more };
}

/** The choice of a chunk for one event of one answer. */
export function chunkChoice(head: ResponseHead, index: number, event: AnswerEvent): object | undefined {
  switch (event.kind) {
    case 'accepted':
      return { index, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null };
    case 'token': {
      const logprobs = head.wantsLogprobs ? { content: [logprobOf(event.token, head.model)], refusal: null } : null;
      if (event.text === '' && logprobs === null) return undefined;
      return { index, delta: { content: event.text }, logprobs, finish_reason: null };
    }
    case 'finished':
      return {
        index,
        delta: event.text === '' ? {} : { content: event.text },
        logprobs: null,
        finish_reason: event.reason,
      };
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
