import { randomUUID } from 'node:crypto';
import { TercetError, type wire } from '@tercet/contracts';
import { z } from 'zod';
import type { ServedModel } from '../models/served-model.js';
import type { GenerationRequest, PromptSource } from '../pipeline/request.js';
import type { ChatOptions } from './chat.js';
import { inertFields, parseBody, samplingFields, samplingOf, stopsOf } from './chat-request.js';
import { serverTiming, timelineOf, usageOf } from './chat-response.js';
import { type CollectedChoice, collect } from './collect.js';
import type { Exchange } from './exchange.js';
import { type ChoiceEvent, mergeAnswers } from './merge-answers.js';
import { streamChoices } from './stream-choices.js';

const Tokens = z.array(z.int().min(0)).min(1);

export const CompletionBody = z.strictObject({
  model: z.string().min(1),
  prompt: z.union([z.string(), Tokens, z.array(z.string()).min(1).max(16), z.array(Tokens).min(1).max(16)]),
  ...samplingFields,
  ...inertFields,
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().optional() }).nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
  echo: z.literal(false).nullish(),
});

type CompletionBody = z.infer<typeof CompletionBody>;

/** OpenAI's default for this route. */
const tokensMaxDefault = 16;

/** `POST /v1/completions`: text without a chat template. One choice for each prompt and each of `n`. */
export async function completions(
  { models, generate }: ChatOptions,
  json: unknown,
  { response, openStream, signal }: Exchange,
): Promise<void> {
  const body = parseBody(CompletionBody, json);
  const model = models.get(body.model);
  const requests = requestsOf(body, model);
  const head = { id: `cmpl-${requests[0]?.requestId}`, created: Math.floor(Date.now() / 1000), model };
  const events = mergeAnswers(requests.map((request) => generate(request, signal)));
  if (body.stream === true) {
    const includeUsage = body.stream_options?.include_usage ?? false;
    const shape = { id: head.id, envelope: envelope(head), includeUsage, choiceOf: choiceChunk };
    return streamChoices(events, shape, openStream);
  }
  const choices = await collect(events, requests.length);
  const first = choices[0]?.finished.timeline;
  if (first !== undefined) response.setHeader('Server-Timing', serverTiming(first));
  const usage = usageOf(choices.map(({ finished }) => finished.usage));
  const tercet = timelineOf(choices[0]?.finished);
  const wantsLogprobs = typeof body.logprobs === 'number';
  response.json({
    ...envelope(head),
    choices: choices.map((choice, index) => choiceOf(choice, index, wantsLogprobs ? model : undefined)),
    usage,
    tercet,
  });
}

interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: ServedModel;
}

function envelope({ id, created, model }: Head): object {
  return { id, object: 'text_completion', created, model: model.name };
}

function choiceOf({ text, tokens, finished }: CollectedChoice, index: number, withLogprobs?: ServedModel): object {
  const logprobs = withLogprobs === undefined ? null : logprobsOf(tokens, withLogprobs);
  return { index, text, logprobs, finish_reason: finished.reason };
}

function requestsOf(body: CompletionBody, model: ServedModel): GenerationRequest[] {
  const topLogprobs = typeof body.logprobs === 'number' ? { topLogprobs: body.logprobs } : {};
  const sampling = samplingOf(body, topLogprobs);
  const id = randomUUID();
  const prompts = promptsOf(body.prompt).flatMap((prompt) => Array<PromptSource>(body.n ?? 1).fill(prompt));
  return prompts.map((prompt, index) => ({
    requestId: index === 0 ? id : `${id}-${index}`,
    tenant: '',
    model,
    prompt,
    media: [],
    sampling: { ...sampling, seed: BigInt.asUintN(64, sampling.seed + BigInt(index)) },
    tokensMax: body.max_tokens ?? tokensMaxDefault,
    stop: stopsOf(body),
  }));
}

function promptsOf(prompt: CompletionBody['prompt']): PromptSource[] {
  if (typeof prompt === 'string') return [{ kind: 'text', text: prompt }];
  if (prompt.every((item) => typeof item === 'number')) return [{ kind: 'tokens', tokenIds: prompt }];
  return prompt.map((item): PromptSource => {
    if (typeof item === 'string') return { kind: 'text', text: item };
    if (typeof item === 'number') throw new TercetError('invalid_request', { param: 'prompt' });
    return { kind: 'tokens', tokenIds: item };
  });
}

/** The older shape of log probabilities: arrays side by side. */
function logprobsOf(tokens: readonly wire.SampledToken[], { tokenizer }: ServedModel): object {
  const text = (tokenId: number) => new TextDecoder().decode(tokenizer.bytesOf(tokenId));
  let offset = 0;
  const offsets = tokens.map(({ tokenId }) => {
    const at = offset;
    offset += text(tokenId).length;
    return at;
  });
  return {
    tokens: tokens.map(({ tokenId }) => text(tokenId)),
    token_logprobs: tokens.map(({ logprob }) => logprob ?? null),
    top_logprobs: tokens.map(({ topLogprobs }) =>
      Object.fromEntries(topLogprobs.map(({ tokenId, logprob }) => [text(tokenId), logprob])),
    ),
    text_offset: offsets,
  };
}

function choiceChunk({ index, event }: ChoiceEvent): object | undefined {
  if (event.kind === 'accepted') return undefined;
  if (event.kind === 'token') return { index, text: event.text, logprobs: null, finish_reason: null };
  return { index, text: event.text, logprobs: null, finish_reason: event.reason };
}
