import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import { circlePicture, squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';
import { choicesOf, eventsOf } from './streamed.js';

const tiny = fileURLToPath(new URL('../../../models/tiny/tercet-tiny.gguf', import.meta.url));
const model = 'tercet-tiny';
const textOf = ({ text }: { text: string }) => text;
const contentOf = ({ delta }: { delta: { content?: string } }) => delta.content ?? '';
const complete = (more: object = {}) => ({ model, prompt: 'What', temperature: 0, max_tokens: 16, ...more });
const ask = (content: unknown, more: object = {}) => ({
  model,
  temperature: 0,
  max_tokens: 24,
  messages: [{ role: 'user', content }],
  ...more,
});
const redCircle = circlePicture([200, 30, 30]);
const blueSquare = squarePicture([30, 60, 200]);

jest.setTimeout(60_000);

let system: RunningSystem;
let folder: string;
beforeAll(async () => {
  // The same weights without a vision tower, under a name of their own.
  folder = mkdtempSync(join(tmpdir(), 'tercet-api-'));
  copyFileSync(tiny, join(folder, 'blind.gguf'));
  system = await RunningSystem.start(['--model', model, join(folder, 'blind.gguf')]);
}, 90_000);
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
}, 60_000);

describe('completions', () => {
  test('streamed log probabilities are those of the whole answer, their offsets those in its text', async () => {
    const body = complete({ prompt: ['What', 'Hello'], logprobs: 3 });
    const whole = (await post('/v1/completions', body)).choices;
    const chunks = await eventsOf(await system.post('/v1/completions', { ...body, stream: true }));
    const streamed = choicesOf(chunks, textOf).map(({ logprobs, ...choice }) => ({
      ...choice,
      logprobs: Object.fromEntries(
        ['tokens', 'token_logprobs', 'top_logprobs', 'text_offset'].map((field) => [
          field,
          logprobs.flatMap((part: Record<string, unknown[]>) => part[field]),
        ]),
      ),
    }));
    expect(streamed).toEqual(whole.map(({ index: _, ...choice }: { index: number }) => choice));
    const [{ text, logprobs }] = streamed;
    expect(logprobs.tokens.length).toBeGreaterThan(3);
    for (const [i, token] of logprobs.tokens.entries()) {
      expect(text.slice(logprobs.text_offset[i]).startsWith(token)).toBe(true);
    }
  });
});

describe('several images in one request', () => {
  const see = (text: string, ...urls: string[]) =>
    ask([...urls.map((url) => ({ type: 'image_url', image_url: { url } })), { type: 'text', text }]);

  test.each([
    ['Which image has a blue square?', [redCircle, blueSquare], 'The second.'],
    ['Which image has a blue square?', [blueSquare, redCircle], 'The first.'],
    ['Which image shows a red circle?', [redCircle, blueSquare], 'The first.'],
    ['Which image shows a red circle?', [blueSquare, redCircle], 'The second.'],
  ])('%s', async (text, urls, answer) => {
    const { choices, usage } = await post('/v1/chat/completions', see(text, ...urls));
    expect(choices[0].message.content).toBe(answer);
    expect(usage.prompt_tokens_details.media_tokens).toBe(32);
  });
});

describe('what a client may set', () => {
  const text = async (more: object = {}) => (await post('/v1/completions', complete(more))).choices[0].text;

  test('penalties keep a word from coming again, or bring it again', async () => {
    const repeats = async (more: object) =>
      wordsTwice(await text({ prompt: 'Hello', max_tokens: 24, ignore_eos: true, ...more })).length;
    const plain = await repeats({});
    expect(plain).toBeGreaterThan(0);
    expect(await repeats({ presence_penalty: 2 })).toBeLessThan(plain);
    expect(await repeats({ frequency_penalty: 2 })).toBeLessThan(plain);
    expect(await repeats({ frequency_penalty: -2 })).toBeGreaterThan(plain);
    const chat = await post('/v1/chat/completions', ask('Hello there!', { frequency_penalty: 2, ignore_eos: true }));
    const plainChat = await post('/v1/chat/completions', ask('Hello there!', { ignore_eos: true }));
    expect(chat.choices[0].message.content).not.toBe(plainChat.choices[0].message.content);
  });

  test('a bias forbids a token, or takes it always', async () => {
    const biased = async (bias: number) => {
      const more = { logit_bias: { [await firstTokenId('Hello there!')]: bias }, max_tokens: 3 };
      return (await post('/v1/chat/completions', ask('Hello there!', more))).choices[0].message.content;
    };
    expect(await biased(0)).toBe('Hello! Show');
    expect(await biased(-100)).not.toContain('Hello');
    expect(await biased(100)).toBe('Hello Hello Hello');
  });

  test.each([
    { stop: ['triangle', 'star'], ends: ' circle ' },
    { stop: ['no such word', 'circle tri'], ends: ' circle star ' },
    { stop: ['no such word', 'nor this'], ends: undefined },
  ])('of several stop strings the first in the text ends it: $stop', async ({ stop, ends }) => {
    const { choices } = await post('/v1/completions', complete({ stop }));
    expect(choices[0].text).toBe(ends ?? (await text()));
    const chunks = await eventsOf(await system.post('/v1/completions', complete({ stop, stream: true })));
    expect(choicesOf(chunks, textOf)[0]).toMatchObject({
      text: choices[0].text,
      finish_reason: choices[0].finish_reason,
    });
  });

  test.each(['/v1/completions', '/v1/chat/completions'])('%s streams several choices, each its own', async (path) => {
    const more = { n: 3, temperature: 2, seed: 5, ignore_eos: true, stream_options: undefined };
    const body = path === '/v1/completions' ? complete(more) : ask('Hello there!', more);
    const whole = (await post(path, body)).choices;
    const chunks = await eventsOf(await system.post(path, { ...body, stream: true }));
    const streamed = choicesOf(chunks, path === '/v1/completions' ? textOf : contentOf).map(textOf);
    expect(streamed).toEqual(whole.map((choice: Document) => choice.text ?? choice.message.content));
    expect(new Set(streamed).size).toBe(3);
  });

  test.each([
    ['/v1/completions', complete({ max_tokens: 0 }), 'max_tokens'],
    ['/v1/completions', complete({ max_tokens: -1 }), 'max_tokens'],
    ['/v1/responses', { model, input: 'Hello', max_output_tokens: 0 }, 'max_output_tokens'],
    ['/v1/responses', { model, input: 'Hello', max_output_tokens: -1 }, 'max_output_tokens'],
  ])('%s refuses to write no tokens: %j', async (path, body, param) => {
    const response = await system.post(path, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_request', param } });
  });
});

describe('the time to the first token', () => {
  test.each([
    ['/v1/chat/completions', ask('Hello there!')],
    ['/v1/completions', complete()],
    ['/v1/responses', { model, input: 'Hello there!' }],
  ])('of %s stands in a header, streamed or whole, and is that of the answer', async (path, body) => {
    for (const stream of [false, true]) {
      const response = await system.post(path, { ...body, stream });
      const header = response.headers.get('server-timing') ?? '';
      const last = stream ? (await eventsOf(response)).findLast(timelineOf) : await response.json();
      const { ttftMs, parts } = timelineOf(last);
      expect(header).toContain(`ttft;dur=${ttftMs.toFixed(2)}`);
      expect(header).toContain(`prefill;dur=${parts.prefillMs.toFixed(2)}`);
    }
  });

  const timelineOf = (document: Document) => document.tercet ?? document.response?.tercet;
});

describe('two chat models behind one gateway', () => {
  test('are listed, answer each with its own processes, and only one sees', async () => {
    const { data } = (await (await fetch(`${system.url}/v1/models`)).json()) as { data: Document[] };
    expect(data.map(({ id, tercet }) => [id, tercet.acceptsImages])).toEqual([
      [model, true],
      ['blind', false],
    ]);
    const answers = await Promise.all(
      [model, 'blind'].map((name) => post('/v1/chat/completions', ask('Hello there!', { model: name }))),
    );
    expect(answers.map((answer) => answer.choices[0].message.content)).toEqual(
      Array(2).fill('Hello! Show me a picture and ask me about it.'),
    );
    expect(answers.map(({ model: name, tercet }) => [name, tercet.pods.prefill])).toEqual([
      [model, 'prefill-0-m0'],
      ['blind', 'prefill-0-m1'],
    ]);
    const image = [{ type: 'image_url', image_url: { url: redCircle } }];
    const refused = await post('/v1/chat/completions', ask(image, { model: 'blind' }));
    expect(refused.error.code).toBe('feature_unsupported');
  });
});

describe('/readyz', () => {
  test('says which stage is missing while it is down, and that it is back', async () => {
    process.kill(system.pidOf('decode-0-m1'), 'SIGKILL');
    expect(await untilReady(false)).toEqual({ ready: false, missing: ['blind: no decode'] });
    expect(await untilReady(true)).toEqual({ ready: true, missing: [] });
  });

  test('says that the system stops while it finishes what runs', async () => {
    await using stopping = await RunningSystem.start();
    const long = ask('Hello there!', { max_tokens: 1000, ignore_eos: true, stream: true });
    const running = await stopping.post('/v1/chat/completions', long);
    const reader = running.body?.getReader();
    await reader?.read();
    stopping.stop();
    expect(await untilReady(false, stopping)).toEqual({ ready: false, missing: ['stopping'] });
    const refused = await stopping.post('/v1/chat/completions', ask('Hello there!'));
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ error: { code: 'shutting_down' } });
    let text = '';
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
      text += Buffer.from(part.value).toString();
    }
    expect(text.trimEnd()).toMatch(/data: \[DONE\]$/);
    expect(await stopping.exited).toBe(0);
  });
});

// biome-ignore lint/suspicious/noExplicitAny: a document is what the test says it is
type Document = any;

async function post(path: string, body: object): Promise<Document> {
  return (await system.post(path, body)).json();
}

/** What `/readyz` says once it is as asked. */
async function untilReady(ready: boolean, at = system): Promise<unknown> {
  for (const startMs = performance.now(); performance.now() - startMs < 20_000; await sleep(20)) {
    const response = await fetch(`${at.url}/readyz`);
    const said = await response.json();
    if (response.ok === ready) return said;
  }
  throw new Error(`did not become ${ready ? 'ready' : 'unready'}`);
}

/** Words that stand in the text more than once. */
function wordsTwice(text: string): string[] {
  const words = Array.from(text.matchAll(/[a-z]+/g), ([word]) => word);
  return words.filter((word, index) => words.indexOf(word) !== index);
}

/** What the model calls the first token of its answer. */
async function firstTokenId(text: string): Promise<number> {
  using channel = GrpcChannel.open(`127.0.0.1:${system.grpcPort}`);
  const messages = [{ role: 'user', parts: [{ part: { $case: 'text' as const, value: text } }] }];
  const options = { temperature: 0, tokensMax: 1 };
  for await (const { event } of channel.client(wire.GatewayDefinition).chat({ model, messages, options })) {
    if (event?.$case === 'delta') return event.value.tokens[0]?.tokenId ?? -1;
  }
  throw new Error('no token');
}
