import { Agent, type IncomingMessage, request } from 'node:http';
import type { Generation, GenerationTask } from './generation.js';

/** Connections stay open between requests, so that none pays for a handshake. */
const agent = new Agent({ keepAlive: true });

interface Chunk {
  readonly choices?: readonly {
    readonly finish_reason: string | null;
    readonly delta?: { readonly content?: string | null };
  }[];
  readonly usage?: { readonly completion_tokens: number } | null;
  readonly error?: { readonly message: string };
}

/**
 * `POST /v1/completions` as a stream; every event without a finish reason is one token. Works with every server that
 * speaks OpenAI's protocol.
 * @throws when the answer is an error, or its tokens are not those that the server counted
 */
export async function streamCompletion(
  server: { readonly url: string; readonly model: string },
  { prompt, outputTokens }: GenerationTask,
): Promise<Generation> {
  const body = JSON.stringify({
    model: server.model,
    prompt,
    max_tokens: outputTokens,
    temperature: 0,
    ignore_eos: true,
    stream: true,
    stream_options: { include_usage: true },
  });
  const sentMs = performance.now();
  const response = await post(`${server.url}/v1/completions`, body);
  const tokensMs: number[] = [];
  let counted = 0;
  for await (const { chunk, atMs } of chunksOf(response)) {
    if (chunk.error !== undefined) throw new Error(`${server.url}: ${chunk.error.message}`);
    if (chunk.choices?.[0]?.finish_reason === null) tokensMs.push(atMs);
    counted = chunk.usage?.completion_tokens ?? counted;
  }
  if (counted === 0 || tokensMs.length < counted / 2 || response.statusCode !== 200) {
    throw new Error(`${server.url}: status ${response.statusCode}, ${tokensMs.length} events for ${counted} tokens`);
  }
  return { sentMs, tokensMs: completed(tokensMs, counted) };
}

/** Time to the first word of a chat's answer about a PNG picture. @throws when there is none */
export async function chatTtftMs(
  server: { readonly url: string; readonly model: string },
  { picture, question }: { readonly picture: Uint8Array; readonly question: string },
): Promise<number> {
  const url = `data:image/png;base64,${Buffer.from(picture).toString('base64')}`;
  const content = [
    { type: 'image_url', image_url: { url } },
    { type: 'text', text: question },
  ];
  const messages = [{ role: 'user', content }];
  const body = JSON.stringify({ model: server.model, messages, max_tokens: 16, temperature: 0, stream: true });
  const sentMs = performance.now();
  let firstMs: number | undefined;
  for await (const { chunk, atMs } of chunksOf(await post(`${server.url}/v1/chat/completions`, body))) {
    if (chunk.error !== undefined) throw new Error(`${server.url}: ${chunk.error.message}`);
    if (chunk.choices?.[0]?.delta?.content) firstMs ??= atMs;
  }
  if (firstMs === undefined) throw new Error(`${server.url}: no answer to ${question}`);
  return firstMs - sentMs;
}

/** A server may send a token that ends inside a character together with the next one: it came with that one. */
function completed(tokensMs: number[], counted: number): number[] {
  const lastMs = tokensMs.at(-1) ?? Number.NaN;
  while (tokensMs.length < counted) tokensMs.push(lastMs);
  return tokensMs.slice(0, counted);
}

function post(url: string, body: string): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  request(url, { method: 'POST', agent, headers }, resolve).once('error', reject).end(body);
  return promise;
}

/** Parsed server-sent events with the time at which their last byte came. */
async function* chunksOf(response: IncomingMessage): AsyncGenerator<{ chunk: Chunk; atMs: number }> {
  response.setEncoding('utf8');
  let rest = '';
  for await (const text of response as AsyncIterable<string>) {
    const atMs = performance.now();
    const events = (rest + text).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const data = event.slice(event.indexOf('data: ') + 'data: '.length);
      if (data !== '[DONE]' && event.includes('data: ')) yield { chunk: JSON.parse(data) as Chunk, atMs };
    }
  }
  if (rest.trim() !== '') yield { chunk: JSON.parse(rest) as Chunk, atMs: performance.now() };
}
