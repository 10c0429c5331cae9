import { randomUUID } from 'node:crypto';
import { TercetError, type wire } from '@tercet/contracts';
import type { ChatMessage, ChatRole } from '@tercet/text';
import { z } from 'zod';
import { parseBody, samplingFields, samplingOf, topLogprobsMax } from './http/chat-request.js';
import { choicesOf, repeated } from './http/choices.js';
import { answerGrammar, chatPrompt, type ToolBody, type ToolUse, toolFields, toolUseOf } from './http/tools.js';
import type { ModelTable } from './models/model-table.js';
import type { GenerationRequest, MediaSource, Origin } from './pipeline/request.js';

const roles = new Set(['system', 'developer', 'user', 'assistant', 'tool']);
/** The seed has 64 bits here: more than a number of JSON can say. */
const Options = z.object(samplingFields).omit({ seed: true });
const Tools = z.object(toolFields);

interface Generations {
  readonly generations: readonly GenerationRequest[];
  /** Present when the answers may call tools. */
  readonly toolMode: ToolUse['mode'] | undefined;
}

/**
 * One request for each choice. What HTTP refuses is refused here, by the names that it has there.
 * @throws invalid_request, model_not_found
 */
export function generationsOf(request: wire.ChatRequest, models: ModelTable, origin: Origin): Generations {
  const { options } = request;
  const media: MediaSource[] = [];
  const messages = request.messages.map((message) => messageOf(message, media));
  if (messages.length === 0) throw new TercetError('invalid_request', { param: 'messages', reason: 'none' });
  const model = models.get(request.model);
  const toolUse = toolUseOf(toolsOf(request), model.template);
  const { n, ...body } = parseBody(Options, fieldsOf(request));
  const topLogprobs = options?.topLogprobs ?? 0;
  if (topLogprobs > topLogprobsMax) {
    throw new TercetError('invalid_request', { param: 'options.top_logprobs', topLogprobs, topLogprobsMax });
  }
  const grammar = answerGrammar(options?.grammar ?? '', toolUse);
  const sampling = samplingOf(body, { grammar, ...(options?.topLogprobs === undefined ? {} : { topLogprobs }) });
  const first = {
    requestId: randomUUID(),
    ...origin,
    model,
    media,
    sampling: { ...sampling, seed: options?.seed ?? sampling.seed },
    ...(options?.tokensMax === undefined ? {} : { tokensMax: options.tokensMax }),
    stop: options?.stop ?? [],
  };
  return { generations: choicesOf(first, repeated(chatPrompt(messages, toolUse), n)), toolMode: toolUse?.mode };
}

/** What may be called, as the HTTP API says it. @throws invalid_request */
function toolsOf({ tools, toolChoice }: wire.ChatRequest): ToolBody {
  const words = new Set(['none', 'auto', 'required']);
  return parseBody(Tools, {
    tools: tools.length === 0 ? undefined : tools.map(toolOf),
    tool_choice:
      toolChoice === undefined || words.has(toolChoice)
        ? toolChoice
        : { type: 'function', function: { name: toolChoice } },
  });
}

function toolOf({ name, description, parameters }: wire.Tool): object {
  try {
    const schema = parameters === '' ? {} : { parameters: JSON.parse(parameters) };
    return { type: 'function', function: { name, ...(description === '' ? {} : { description }), ...schema } };
  } catch (cause) {
    throw new TercetError('invalid_request', { param: 'tools', reason: 'parameters are not JSON' }, { cause });
  }
}

function fieldsOf({ options, choices }: wire.ChatRequest): object {
  return {
    n: choices,
    max_tokens: options?.tokensMax,
    temperature: options?.temperature,
    top_k: options?.topK,
    top_p: options?.topP,
    min_p: options?.minP,
    repetition_penalty: options?.repetitionPenalty,
    frequency_penalty: options?.frequencyPenalty,
    presence_penalty: options?.presencePenalty,
    logit_bias: options?.logitBias,
    stop: options?.stop,
    ignore_eos: options?.ignoreEos,
  };
}

function messageOf(message: wire.ChatMessage, media: MediaSource[]): ChatMessage {
  const { role, toolCalls, toolCallId } = message;
  if (!roles.has(role)) throw new TercetError('invalid_request', { role });
  const parts = message.parts.map((part) => partOf(part, media));
  if (role === 'tool') return { role, parts, toolCallId };
  const name = message.name === '' ? {} : { name: message.name };
  const calls = role === 'assistant' && toolCalls.length > 0 ? { toolCalls } : {};
  return { role: role as Exclude<ChatRole, 'tool'>, parts, ...calls, ...name };
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
