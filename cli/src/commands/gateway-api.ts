import { z } from 'zod';
import { CommandFailure, exitCodes } from '../terminal/failure.js';
import { eventData } from './event-data.js';

export interface GatewayAddress {
  readonly url: string;
  readonly apiKey: string | undefined;
}

/** How the time of one answer was spent; the parts follow one another and add up to `ttftMs`. */
export const Timeline = z.object({
  ttftMs: z.number(),
  parts: z.object({
    queueMs: z.number(),
    mediaFetchMs: z.number(),
    encodeMs: z.number(),
    mediaTransferMs: z.number(),
    prefillQueueMs: z.number(),
    prefillMs: z.number(),
  }),
  handoverMs: z.number().nullish(),
  decodeMs: z.number().nullish(),
  tokensPerSecond: z.number().nullish(),
  pods: z.object({ encode: z.array(z.string()), prefill: z.string(), decode: z.string().nullish() }),
  cachedTokens: z.number().optional(),
  mediaTokens: z.number().optional(),
});
export type Timeline = z.infer<typeof Timeline>;

const ErrorBody = z.object({ error: z.object({ message: z.string(), code: z.string().nullish() }) });
const Models = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      tercet: z.object({ acceptsImages: z.boolean().optional(), kind: z.string().optional() }).optional(),
    }),
  ),
});
const Chunk = z.object({
  choices: z.array(
    z.object({ delta: z.object({ content: z.string().nullish() }), finish_reason: z.string().nullish() }),
  ),
  tercet: z.unknown().optional(),
});

export type MessagePart = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } };
export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string | readonly MessagePart[];
}

export interface ChatQuery {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly temperature?: number;
  readonly max_tokens?: number;
  readonly seed?: number;
}

export interface ChatEnd {
  readonly reason: string;
  readonly timeline: Timeline | undefined;
}

/** The models that the gateway serves and one can talk to. */
export async function listModels(
  address: GatewayAddress,
  signal: AbortSignal,
): Promise<{ name: string; acceptsImages: boolean }[]> {
  const body = await getJson(address, '/v1/models', signal);
  const { data } = expectShape(Models, body, address);
  const talking = data.filter(({ tercet }) => tercet?.kind !== 'embedding');
  return talking.map(({ id, tercet }) => ({ name: id, acceptsImages: tercet?.acceptsImages ?? false }));
}

/** A JSON document of the gateway. @throws CommandFailure */
export async function getJson(address: GatewayAddress, path: string, signal: AbortSignal): Promise<unknown> {
  const response = await askGateway(address, path, { signal });
  return response.json().catch(() => {
    throw notOurs(address);
  });
}

/**
 * Streams one answer: its text as it comes, and how it ended.
 * @throws CommandFailure, also when the stream ends without saying why
 */
export async function* streamChat(
  address: GatewayAddress,
  query: ChatQuery,
  signal: AbortSignal,
): AsyncGenerator<string, ChatEnd> {
  const body = JSON.stringify({ ...query, stream: true, stream_options: { include_usage: true } });
  const response = await askGateway(address, '/v1/chat/completions', { method: 'POST', body, signal });
  let reason = '';
  let timeline: Timeline | undefined;
  for await (const data of eventData(readBody(response, address, signal))) {
    if (data === '[DONE]') return { reason, timeline };
    const chunk = chunkOf(data, address);
    const [choice] = chunk.choices;
    timeline = Timeline.safeParse(chunk.tercet).data ?? timeline;
    reason = choice?.finish_reason ?? reason;
    if (choice?.delta.content) yield choice.delta.content;
  }
  throw new CommandFailure('the server ended the answer early', { advice: 'ask again; its log may say why' });
}

export function expectShape<Schema extends z.ZodType>(
  schema: Schema,
  body: unknown,
  at: GatewayAddress,
): z.infer<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw notOurs(at);
}

function chunkOf(data: string, address: GatewayAddress): z.infer<typeof Chunk> {
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    throw notOurs(address);
  }
  const failure = ErrorBody.safeParse(json).data;
  if (failure !== undefined) throw answered(failure);
  return expectShape(Chunk, json, address);
}

async function* readBody(response: Response, { url }: GatewayAddress, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of response.body ?? []) yield bytes;
  } catch {
    signal.throwIfAborted();
    throw new CommandFailure(`the connection to ${url} broke in the middle of the answer`, { advice: 'ask again' });
  }
}

/** @throws CommandFailure for every answer but a good one */
export async function askGateway(address: GatewayAddress, path: string, init: RequestInit): Promise<Response> {
  const target = targetOf(address, path);
  const key = address.apiKey === undefined ? {} : { authorization: `Bearer ${address.apiKey}` };
  const type = init.body instanceof FormData ? {} : { 'content-type': 'application/json' };
  const response = await fetch(target, { ...init, headers: { ...type, ...key } }).catch((error) => {
    init.signal?.throwIfAborted();
    throw unreachable(address, error);
  });
  if (response.ok) return response;
  const failure = ErrorBody.safeParse(await response.json().catch(() => undefined)).data;
  if (failure !== undefined) throw answered(failure);
  throw new CommandFailure(`${target.href} answered HTTP ${response.status}`, {
    advice: 'is this the address of a tercet gateway? `--url` names another',
  });
}

function targetOf({ url }: GatewayAddress, path: string): URL {
  try {
    return new URL(path.slice(1), url.endsWith('/') ? url : `${url}/`);
  } catch {
    throw new CommandFailure(`'${url}' is not an address`, {
      exitCode: exitCodes.usage,
      advice: 'give it as in --url http://127.0.0.1:8080',
    });
  }
}

function answered({ error: { message, code } }: z.infer<typeof ErrorBody>): CommandFailure {
  return new CommandFailure(message, { code: code ?? undefined, advice: adviceFor[code ?? ''] });
}

const adviceFor: Readonly<Record<string, string>> = {
  model_not_found: '`--model` names another; without it the first model of the server answers',
  overloaded: 'the server is full: try again in a moment',
  no_pod: 'a stage is starting or missing: `tercet top` shows which',
  prompt_too_long: 'shorten the question, send fewer pictures, or start the server with a larger --context',
  unauthenticated: 'set TERCET_API_KEY; `tercet keys create` makes a key',
  forbidden: 'this needs a key with another scope: `tercet keys create --scope`',
  rate_limited: 'the tenant of this key is over its limit: try again later',
};

function unreachable({ url }: GatewayAddress, error: unknown): CommandFailure {
  const { code, message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
  return new CommandFailure(`no server answers at ${url} (${code ?? message})`, {
    exitCode: exitCodes.unreachable,
    advice: 'start one with `tercet up`, or name another with --url or TERCET_URL',
  });
}

function notOurs({ url }: GatewayAddress): CommandFailure {
  return new CommandFailure(`${url} answered something that no tercet gateway says`, {
    advice: 'is this the address of a tercet gateway? `--url` names another',
  });
}
