import { randomUUID } from 'node:crypto';
import type { ChatMessage, ChatPart } from '@tercet/text';
import { z } from 'zod';
import type { ServedModel } from '../models/served-model.js';
import type { AnswerEvent, GenerationRequest, MediaSource, Origin } from '../pipeline/request.js';
import type { ChatOptions } from './chat.js';
import { inertFields, parseBody, samplingOf } from './chat-request.js';
import { serverTiming, timelineOf, timingHeader } from './chat-response.js';
import type { Finished } from './collect.js';
import { errorBody } from './error-body.js';
import type { EventStream } from './event-stream.js';
import type { Exchange } from './exchange.js';

const Part = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('input_text'), text: z.string() }),
  z.strictObject({ type: z.literal('output_text'), text: z.string() }).loose(),
  z.strictObject({ type: z.literal('input_image'), image_url: z.string().min(1), detail: z.string().optional() }),
]);
const Item = z.strictObject({
  type: z.literal('message').optional(),
  id: z.string().optional(),
  status: z.string().optional(),
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.union([z.string(), z.array(Part).min(1)]),
});
const Format = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.object({ type: z.literal('json_schema'), name: z.string(), schema: z.record(z.string(), z.unknown()) }),
]);

export const ResponsesBody = z.strictObject({
  model: z.string().min(1),
  input: z.union([z.string(), z.array(Item).min(1)]),
  instructions: z.string().nullish(),
  max_output_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  text: z.strictObject({ format: Format.optional() }).nullish(),
  stream: z.boolean().nullish(),
  ...inertFields,
});

type ResponsesBody = z.infer<typeof ResponsesBody>;

/** `POST /v1/responses`, for text and images. Responses are not stored: `previous_response_id` is not taken. */
export async function responses(
  { models, generate }: ChatOptions,
  json: unknown,
  { response, openStream, signal, origin }: Exchange,
): Promise<void> {
  const body = parseBody(ResponsesBody, json);
  const request = requestOf(body, models.get(body.model), origin);
  const reply = new Reply(body, request);
  if (body.stream === true) {
    const open = (timing: Readonly<Record<string, string>>) => openStream({ 'x-request-id': reply.id, ...timing });
    await stream(reply, generate(request, signal), open);
    return;
  }
  for await (const event of generate(request, signal)) reply.take(event);
  if (reply.finished !== undefined) response.setHeader('Server-Timing', serverTiming(reply.finished.timeline));
  response.json(reply.object());
}

function requestOf(body: ResponsesBody, model: ServedModel, origin: Origin): GenerationRequest {
  const media: MediaSource[] = [];
  const partsOf = (content: string | z.infer<typeof Part>[]): ChatPart[] => {
    if (typeof content === 'string') return [{ kind: 'text', text: content }];
    return content.map((part) => {
      if (part.type !== 'input_image') return { kind: 'text', text: part.text };
      media.push({ kind: 'url', url: part.image_url });
      return { kind: 'media' };
    });
  };
  const items = typeof body.input === 'string' ? [{ role: 'user' as const, content: body.input }] : body.input;
  const messages = items.map(({ role, content }): ChatMessage => ({ role, parts: partsOf(content) }));
  if (body.instructions) messages.unshift({ role: 'system', parts: [{ kind: 'text', text: body.instructions }] });
  const { temperature, top_p, max_output_tokens } = body;
  return {
    requestId: randomUUID(),
    ...origin,
    model,
    prompt: { kind: 'chat', messages },
    media,
    sampling: samplingOf({ temperature, top_p }, { grammar: grammarOf(body) }),
    ...(max_output_tokens ? { tokensMax: max_output_tokens } : {}),
    stop: [],
  };
}

function grammarOf({ text }: ResponsesBody): string {
  const format = text?.format;
  if (format === undefined || format.type === 'text') return '';
  return format.type === 'json_object' ? 'json' : JSON.stringify(format.schema);
}

/** The response object as it grows, https://platform.openai.com/docs/api-reference/responses/object */
class Reply {
  readonly id: string;
  readonly itemId = `msg_${randomUUID()}`;
  text = '';
  finished: Finished | undefined;
  readonly #body: ResponsesBody;
  readonly #createdAt = Math.floor(Date.now() / 1000);

  constructor(body: ResponsesBody, request: GenerationRequest) {
    this.#body = body;
    this.id = `resp_${request.requestId}`;
  }

  /** Returns the text that the event adds. */
  take(event: AnswerEvent): string {
    if (event.kind === 'accepted') return '';
    if (event.kind === 'finished') this.finished = event;
    this.text += event.text;
    return event.text;
  }

  item(): object {
    const status = this.finished === undefined ? 'in_progress' : this.#status();
    return { type: 'message', id: this.itemId, status, role: 'assistant', content: [this.part()] };
  }

  part(): object {
    return { type: 'output_text', text: this.text, annotations: [] };
  }

  object(): object {
    const { finished } = this;
    const usage = finished?.usage;
    const cutShort = finished?.reason === 'length';
    return {
      id: this.id,
      object: 'response',
      created_at: this.#createdAt,
      status: finished === undefined ? 'in_progress' : this.#status(),
      model: this.#body.model,
      output: finished === undefined ? [] : [this.item()],
      incomplete_details: cutShort ? { reason: 'max_output_tokens' } : null,
      error: null,
      instructions: this.#body.instructions ?? null,
      max_output_tokens: this.#body.max_output_tokens ?? null,
      temperature: this.#body.temperature ?? 1,
      top_p: this.#body.top_p ?? 1,
      parallel_tool_calls: false,
      tool_choice: 'none',
      tools: [],
      metadata: this.#body.metadata ?? {},
      usage:
        usage === undefined
          ? null
          : {
              input_tokens: usage.promptTokens,
              input_tokens_details: { cached_tokens: usage.cachedTokens },
              output_tokens: usage.completionTokens,
              output_tokens_details: { reasoning_tokens: 0 },
              total_tokens: usage.promptTokens + usage.completionTokens,
            },
      tercet: timelineOf(finished),
    };
  }

  #status(): string {
    return this.finished?.reason === 'length' ? 'incomplete' : 'completed';
  }
}

/** Events in order, https://platform.openai.com/docs/api-reference/responses-streaming */
async function stream(
  reply: Reply,
  events: AsyncGenerator<AnswerEvent>,
  open: (timing: Readonly<Record<string, string>>) => EventStream,
): Promise<void> {
  let out: EventStream | undefined;
  let sequence = 0;
  const send = async (type: string, fields: object) => {
    await out?.send({ type, sequence_number: sequence++, ...fields }, type);
  };
  const place = { item_id: reply.itemId, output_index: 0, content_index: 0 };
  try {
    for await (const event of events) {
      if (event.kind === 'accepted') continue;
      if (out === undefined) {
        out = open(timingHeader(event));
        await send('response.created', { response: reply.object() });
        await send('response.in_progress', { response: reply.object() });
        await send('response.output_item.added', { output_index: 0, item: reply.item() });
        await send('response.content_part.added', { ...place, part: reply.part() });
      }
      const delta = reply.take(event);
      if (delta !== '') await send('response.output_text.delta', { ...place, delta });
    }
    await send('response.output_text.done', { ...place, text: reply.text });
    await send('response.content_part.done', { ...place, part: reply.part() });
    await send('response.output_item.done', { output_index: 0, item: reply.item() });
    const how = reply.finished?.reason === 'length' ? 'response.incomplete' : 'response.completed';
    await send(how, { response: reply.object() });
    out?.end();
  } catch (error) {
    if (out === undefined) throw error;
    const { error: failure } = errorBody(error, reply.id).body as { error: { code: string; message: string } };
    await send('error', { code: failure.code, message: failure.message, param: null });
    out.end();
  }
}
