import { randomUUID } from 'node:crypto';
import { TercetError, type wire } from '@tercet/contracts';
import { z } from 'zod';
import type { ServedModel } from '../models/served-model.js';
import type { GenerationRequest, Origin, PromptSource } from '../pipeline/request.js';
import type { ChatOptions } from './chat.js';
import { inertFields, parseBody, samplingFields, samplingOf, stopsOf } from './chat-request.js';
import { serverTiming, timelineOf, usageOf } from './chat-response.js';
import { choicesOf, repeated } from './choices.js';
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
  { response, openStream, signal, origin }: Exchange,
): Promise<void> {
  const body = parseBody(CompletionBody, json);
  const model = models.get(body.model);
  const requests = requestsOf(body, model, origin);
  const head = { id: `cmpl-${requests[0]?.requestId}`, created: Math.floor(Date.now() / 1000), model };
  const events = mergeAnswers(requests.map((request) => generate(request, signal)));
  const logprobs = typeof body.logprobs === 'number' ? requests.map(() => new Logprobs(model)) : [];
  if (body.stream === true) {
    const includeUsage = body.stream_options?.include_usage ?? false;
    const choiceOf = (event: ChoiceEvent) => choiceChunk(event, logprobs);
    return streamChoices(events, { id: head.id, envelope: envelope(head), includeUsage, choiceOf }, openStream);
  }
  const choices = await collect(events, requests.length);
  const first = choices[0]?.finished.timeline;
  if (first !== undefined) response.setHeader('Server-Timing', serverTiming(first));
  const usage = usageOf(choices.map(({ finished }) => finished.usage));
  const tercet = timelineOf(choices[0]?.finished);
  response.json({
    ...envelope(head),
    choices: choices.map((choice, index) => choiceOf(choice, index, logprobs[index])),
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

function choiceOf({ text, tokens, finished }: CollectedChoice, index: number, logprobs?: Logprobs): object {
  return { index, text, logprobs: logprobs?.take(tokens) ?? null, finish_reason: finished.reason };
}

function requestsOf(body: CompletionBody, model: ServedModel, origin: Origin): GenerationRequest[] {
  const topLogprobs = typeof body.logprobs === 'number' ? { topLogprobs: body.logprobs } : {};
  const first = {
    requestId: randomUUID(),
    ...origin,
    model,
    media: [],
    sampling: samplingOf(body, topLogprobs),
    tokensMax: body.max_tokens ?? tokensMaxDefault,
    stop: stopsOf(body),
  };
  const prompts = promptsOf(body.prompt).flatMap((prompt) => repeated(prompt, body.n));
  return choicesOf(first, prompts);
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

/** The older shape of log probabilities, arrays side by side, for the tokens of one answer as they come. */
class Logprobs {
  readonly #model: ServedModel;
  #offset = 0;

  constructor(model: ServedModel) {
    this.#model = model;
  }

  /** Of the next tokens; their offsets go on from those before. */
  take(tokens: readonly wire.SampledToken[]): object {
    const texts = tokens.map(({ tokenId }) => this.#textOf(tokenId));
    return {
      tokens: texts,
      token_logprobs: tokens.map(({ logprob }) => logprob ?? null),
      top_logprobs: tokens.map(({ topLogprobs }) =>
        Object.fromEntries(topLogprobs.map(({ tokenId, logprob }) => [this.#textOf(tokenId), logprob])),
      ),
      text_offset: texts.map((text) => {
        const at = this.#offset;
        this.#offset += text.length;
        return at;
      }),
    };
  }

  #textOf(tokenId: number): string {
    return new TextDecoder().decode(this.#model.tokenizer.bytesOf(tokenId));
  }
}

/** The choice of a chunk. @param logprobs one for each choice; empty when none were asked for */
function choiceChunk({ index, event }: ChoiceEvent, logprobs: readonly Logprobs[]): object | undefined {
  if (event.kind === 'accepted') return undefined;
  if (event.kind === 'finished') return { index, text: event.text, logprobs: null, finish_reason: event.reason };
  return { index, text: event.text, logprobs: logprobs[index]?.take([event.token]) ?? null, finish_reason: null };
}
