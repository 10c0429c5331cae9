import { TercetError, type wire } from '@tercet/contracts';
import type { ChatMessage, ChatPart } from '@tercet/text';
import { z } from 'zod';
import { RetrievalBody } from '../collections/retrieval-body.js';
import type { MediaSource } from '../pipeline/request.js';
import { toolFields } from './tools.js';

const TextPart = z.strictObject({ type: z.literal('text'), text: z.string() });
const ImagePart = z.strictObject({
  type: z.literal('image_url'),
  image_url: z.union([
    z.strictObject({ url: z.string().min(1), detail: z.enum(['auto', 'low', 'high']).optional() }),
    z.string().min(1),
  ]),
});
const Content = z.union([z.string(), z.array(z.discriminatedUnion('type', [TextPart, ImagePart])).min(1)]);
const ToolCall = z.object({
  id: z.string(),
  type: z.literal('function'),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const Message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('system'), content: Content, name: z.string().optional() }),
  z.strictObject({ role: z.literal('developer'), content: Content, name: z.string().optional() }),
  z.strictObject({ role: z.literal('user'), content: Content, name: z.string().optional() }),
  z.strictObject({
    role: z.literal('assistant'),
    content: Content.nullish(),
    name: z.string().optional(),
    refusal: z.string().nullish(),
    tool_calls: z.array(ToolCall).optional(),
  }),
  z.strictObject({ role: z.literal('tool'), content: Content, tool_call_id: z.string() }),
]);

const JsonSchema = z.object({ name: z.string(), schema: z.record(z.string(), z.unknown()) });
const ResponseFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({ type: z.literal('json_schema'), json_schema: JsonSchema.loose() }),
]);

/** Alternatives that are reported for a token at most. */
export const topLogprobsMax = 20;

/** As the key of an object. Those that the model has not are refused by the stages; more than 32 bits reach none. */
const TokenId = z.string().refine((id) => /^\d{1,10}$/.test(id) && Number(id) <= 0xffffffff, 'not a token id');

/** Options that every generating route has, as OpenAI names them; `top_k`, `min_p` and the like as vLLM does. */
export const samplingFields = {
  max_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  repetition_penalty: z.number().gt(0).max(10).nullish(),
  seed: z.int().nullish(),
  logit_bias: z.record(TokenId, z.number().min(-100).max(100)).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(16)]).nullish(),
  n: z.int().min(1).max(16).nullish(),
  ignore_eos: z.boolean().nullish(),
};

/** Taken and without effect here: they change nothing that a client could see in an answer. */
export const inertFields = {
  user: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  store: z.boolean().nullish(),
  service_tier: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
};

export const ChatBody = z.strictObject({
  model: z.string().min(1),
  messages: z.array(Message).min(1),
  ...samplingFields,
  ...inertFields,
  max_completion_tokens: z.int().min(1).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().optional() }).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(topLogprobsMax).nullish(),
  response_format: ResponseFormat.nullish(),
  /** Passages of a collection that the answer is to know. */
  retrieval: RetrievalBody.nullish(),
  ...toolFields,
});

export type ChatBody = z.infer<typeof ChatBody>;
type SamplingBody = { [Field in keyof typeof samplingFields]?: z.infer<(typeof samplingFields)[Field]> };

/** Parses a body by its schema. @throws invalid_request that names the first field that is wrong */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = deepest(result.error.issues[0] as z.core.$ZodIssue);
  const param = issue.path.join('.');
  const reason = issue.message.endsWith('received undefined') ? 'missing' : issue.message;
  throw new TercetError('invalid_request', { param: param === '' ? undefined : param, reason });
}

/** The seed that a request without one gets is random: the answer says which it was. */
export function samplingOf(body: SamplingBody, more: { topLogprobs?: number; grammar?: string }): wire.Sampling {
  return {
    temperature: body.temperature ?? 1,
    topK: body.top_k ?? 0,
    topP: body.top_p ?? 1,
    minP: body.min_p ?? 0,
    repetitionPenalty: body.repetition_penalty ?? 1,
    frequencyPenalty: body.frequency_penalty ?? 0,
    presencePenalty: body.presence_penalty ?? 0,
    logitBias: Object.fromEntries(Object.entries(body.logit_bias ?? {}).map(([id, bias]) => [Number(id), bias])),
    seed: body.seed === undefined || body.seed === null ? randomSeed() : BigInt.asUintN(64, BigInt(body.seed)),
    topLogprobs: more.topLogprobs,
    grammar: more.grammar ?? '',
    ignoreEos: body.ignore_eos ?? false,
  };
}

export function stopsOf({ stop }: SamplingBody): string[] {
  if (stop === undefined || stop === null) return [];
  return typeof stop === 'string' ? [stop] : stop;
}

/** Messages for the template, and the images of all of them in order. */
export function messagesOf(body: ChatBody): { messages: ChatMessage[]; media: MediaSource[] } {
  const media: MediaSource[] = [];
  const partsOf = (content: z.infer<typeof Content> | null | undefined): ChatPart[] => {
    if (content === undefined || content === null) return [{ kind: 'text', text: '' }];
    if (typeof content === 'string') return [{ kind: 'text', text: content }];
    return content.map((part): ChatPart => {
      if (part.type === 'text') return { kind: 'text', text: part.text };
      media.push({ kind: 'url', url: typeof part.image_url === 'string' ? part.image_url : part.image_url.url });
      return { kind: 'media' };
    });
  };
  const messages = body.messages.map((message): ChatMessage => {
    const parts = partsOf(message.content);
    const name = 'name' in message && message.name !== undefined ? { name: message.name } : {};
    if (message.role === 'tool') return { role: 'tool', parts, toolCallId: message.tool_call_id };
    if (message.role !== 'assistant' || message.tool_calls === undefined) return { role: message.role, parts, ...name };
    const toolCalls = message.tool_calls.map(({ id, function: call }) => ({ id, ...call }));
    return { role: 'assistant', parts, toolCalls, ...name };
  });
  return { messages, media };
}

export function grammarOf({ response_format: format }: ChatBody): string {
  if (format === undefined || format === null || format.type === 'text') return '';
  return format.type === 'json_object' ? 'json' : JSON.stringify(format.json_schema.schema);
}

function randomSeed(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
}

/** Of a union, the issue of the branch that came furthest. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return issue;
  const branches = issue.errors.flatMap(([first]) => (first === undefined ? [] : [deepest(first)]));
  const best = branches.toSorted((a, b) => b.path.length - a.path.length)[0];
  return best === undefined ? issue : { ...best, path: [...issue.path, ...best.path] };
}
