import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import OpenAI from 'openai';
import { type Colour, circlePicture, squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

const model = 'tercet-tiny';
const red = squarePicture([200, 30, 30]);
const ask = (text: string, image?: string) => ({
  model,
  temperature: 0,
  max_tokens: 24,
  messages: [{ role: 'user', content: image === undefined ? text : [imagePart(image), { type: 'text', text }] }],
});
const imagePart = (url: string) => ({ type: 'image_url', image_url: { url } });
/** An answer that goes on for long enough to kill something in the middle of it. */
const longRequest = { ...ask('Describe the picture.', red), max_tokens: 200, ignore_eos: true };

jest.setTimeout(180_000);

let system: RunningSystem;

beforeAll(async () => {
  system = await RunningSystem.start(['--encode', '2', '--prefill', '1', '--decode', '2']);
}, 90_000);
afterAll(() => system[Symbol.asyncDispose](), 60_000);

describe('chat completions over three processes', () => {
  test('a question about a picture is answered through encode, prefill and decode', async () => {
    const response = await system.post('/v1/chat/completions', ask('What colour is the square?', red));
    const { choices, usage, tercet } = await json(response);
    expect(choices[0].message.content).toBe('Red.');
    expect(choices[0].finish_reason).toBe('stop');
    expect(usage.prompt_tokens_details.media_tokens).toBe(16);
    expect([tercet.pods.encode[0], tercet.pods.prefill, tercet.pods.decode]).toEqual([
      expect.stringMatching(/^encode-/),
      'prefill-0',
      expect.stringMatching(/^decode-/),
    ]);
    const sum = Object.values<number>(tercet.parts).reduce((a, b) => a + b, 0);
    expect(Math.abs(sum - tercet.ttftMs)).toBeLessThan(0.1);
    expect(response.headers.get('server-timing')).toContain(`ttft;dur=${tercet.ttftMs.toFixed(2)}`);
  });

  test.each<[string, Colour]>([
    ['Red.', [200, 30, 30]],
    ['Green.', [20, 140, 40]],
    ['Blue.', [30, 60, 200]],
    ['Yellow.', [230, 200, 20]],
    ['Black.', [20, 20, 20]],
    ['Purple.', [130, 40, 160]],
  ])('what is %s is seen as such, whatever its shape', async (colour, pixels) => {
    const answers = await Promise.all(
      [
        ask('What colour is the circle?', circlePicture(pixels)),
        ask('What colour is the square?', squarePicture(pixels)),
        ask('What shape is it?', circlePicture(pixels)),
        ask('What shape is it?', squarePicture(pixels)),
      ].map(async (body) => (await json(await system.post('/v1/chat/completions', body))).choices[0].message.content),
    );
    expect(answers).toEqual([colour, colour, 'Circle.', 'Square.']);
  });

  test('streamed and whole, cached and fresh, the text is the same', async () => {
    const whole = await json(await system.post('/v1/chat/completions', longRequest));
    const again = await json(await system.post('/v1/chat/completions', longRequest));
    const streamed = await streamText(longRequest);
    expect(again.choices[0].message.content).toBe(whole.choices[0].message.content);
    expect(streamed.text).toBe(whole.choices[0].message.content);
    expect(again.usage.prompt_tokens_details.cached_tokens).toBeGreaterThanOrEqual(16);
  });

  test('a decode process killed in the middle of an answer changes nothing that the client reads', async () => {
    const expected = (await json(await system.post('/v1/chat/completions', longRequest))).choices[0].message.content;
    let killed = '';
    const { text, last } = await streamText(longRequest, async (sofar) => {
      if (killed !== '' || sofar.length < 40) return;
      killed = await busyDecode();
      if (killed !== '') process.kill(system.pidOf(killed), 'SIGKILL');
    });
    expect(killed).toMatch(/^decode-/);
    expect(text).toBe(expected);
    expect(last.tercet.attempts).toBeGreaterThan(1);
    await system.until((pods) => pods.filter(({ role, phase }) => role === 'decode' && phase === 'ready').length === 2);
  });

  test('a client that leaves frees everything', async () => {
    const abort = new AbortController();
    const response = await system.post('/v1/chat/completions', { ...longRequest, stream: true }, abort.signal);
    await response.body?.getReader().read();
    abort.abort();
    await system.until((pods) =>
      pods.every((pod) => pod.running + pod.waiting + pod.kvBlocksUsed + pod.leasesOpen === 0),
    );
  });

  test('the same seed gives the same text, another seed another', async () => {
    const warm = { ...ask('Describe the picture.', red), temperature: 1.5, ignore_eos: true, max_tokens: 40 };
    const texts = await Promise.all(
      [7, 7, 8].map(
        async (seed) => (await json(await system.post('/v1/chat/completions', { ...warm, seed }))).choices[0],
      ),
    );
    expect(texts[0].message.content).toBe(texts[1].message.content);
    expect(texts[2].message.content).not.toBe(texts[0].message.content);
  });

  test('several choices, log probabilities and stop strings', async () => {
    const body = { ...ask('Hello.'), n: 2, logprobs: true, top_logprobs: 2, stop: ['zzz'] };
    const { choices } = await json(await system.post('/v1/chat/completions', body));
    expect(choices).toHaveLength(2);
    const [entry] = choices[0].logprobs.content;
    expect(entry.top_logprobs).toHaveLength(2);
    expect(entry.logprob).toBeLessThanOrEqual(0);
    const text = choices[0].message.content;
    const stop = text.slice(2, 5);
    const stopped = await json(await system.post('/v1/chat/completions', { ...ask('Hello.'), stop: [stop] }));
    expect(stopped.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: text.slice(0, text.indexOf(stop)) },
    });
  });

  test('a JSON schema holds whatever the model would say', async () => {
    const schema = {
      type: 'object',
      properties: { n: { type: 'integer' } },
      required: ['n'],
      additionalProperties: false,
    };
    const format = { type: 'json_schema', json_schema: { name: 'n', schema } };
    const body = { ...ask('How many?', red), max_tokens: 200, temperature: 1, seed: 3, response_format: format };
    const { choices } = await json(await system.post('/v1/chat/completions', body));
    if (choices[0].finish_reason === 'stop') expect(typeof JSON.parse(choices[0].message.content).n).toBe('number');
    else expect(choices[0].message.content).toMatch(/^\s*\{/);
  });
});

describe('tools', () => {
  const parameters = {
    type: 'object',
    properties: { colour: { enum: ['red', 'blue'] }, count: { type: 'integer', minimum: 0, maximum: 9 } },
    required: ['colour', 'count'],
    additionalProperties: false,
  };
  const tools = [{ type: 'function' as const, function: { name: 'find_shape', parameters } }];
  // Enough even if the model fills every blank between two tokens of JSON.
  const request = { ...ask('Find it.', red), max_tokens: 400, tools, tool_choice: 'required' as const };

  test('a tool that must be called is called with arguments of its schema, whole and streamed', async () => {
    const { choices } = await json(await system.post('/v1/chat/completions', request));
    expect(choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } });
    const [call] = choices[0].message.tool_calls;
    expect(call).toMatchObject({ type: 'function', function: { name: 'find_shape' } });
    expect(JSON.parse(call.function.arguments)).toMatchObject({ colour: expect.stringMatching(/^(red|blue)$/) });
    const client = new OpenAI({ baseURL: `${system.url}/v1`, apiKey: 'none' });
    let streamed = '';
    const chunks = await client.chat.completions.create({ ...request, stream: true } as never);
    for await (const chunk of chunks as unknown as AsyncIterable<Chunk>) {
      streamed += chunk.choices[0]?.delta.tool_calls?.[0]?.function?.arguments ?? '';
    }
    expect(JSON.parse(streamed)).toEqual(JSON.parse(call.function.arguments));
  });

  test('a tool that is not there, or none at all, is refused', async () => {
    const named = { type: 'function', function: { name: 'other' } };
    for (const body of [
      { ...request, tool_choice: named },
      { ...request, tools: undefined },
    ]) {
      expect((await json(await system.post('/v1/chat/completions', body))).error.code).toBe('invalid_request');
    }
  });
});

describe('roles', () => {
  test('a decode process becomes an encoder and back, and requests go on', async () => {
    using channel = GrpcChannel.open(`unix:${system.folder}/run/decode-1.sock`);
    const worker = channel.client(wire.WorkerDefinition);
    const before = await worker.getStatus({});
    const role = wire.Role.ROLE_ENCODE;
    const moved = await worker.setRole({ role, expectedEpoch: before.epoch, drainTimeoutMs: 5000 });
    expect(moved).toMatchObject({ role, epoch: before.epoch + 1n, phase: wire.Phase.PHASE_READY });
    await expect(worker.setRole({ role, expectedEpoch: before.epoch, drainTimeoutMs: 5000 })).rejects.toMatchObject({
      code: 'epoch_stale',
    });
    const response = await system.post('/v1/chat/completions', ask('What shape is it?', red));
    expect((await json(response)).tercet.pods.decode).toBe('decode-0');
    await worker.setRole({ role: before.role, expectedEpoch: moved.epoch, drainTimeoutMs: 5000 });
    await system.until((pods) => pods.some(({ podId, role: now }) => podId === 'decode-1' && now === 'decode'));
  });
});

describe('several encoders', () => {
  test('share the pictures of one request, and the text is that of one encoder', async () => {
    const { ROLE_ENCODE, ROLE_DECODE } = wire.Role;
    const shades = [20, 60, 100, 140].map((shade) => squarePicture([shade, 30, 200 - shade]));
    const content = [...shades.map(imagePart), { type: 'text', text: 'Which image has a blue square?' }];
    const request = { model, temperature: 0, max_tokens: 24, messages: [{ role: 'user', content }] };
    const before = await Promise.all(['encode-0', 'encode-1'].map(requestsDone));
    const shared = await json(await system.post('/v1/chat/completions', request));
    const after = await Promise.all(['encode-0', 'encode-1'].map(requestsDone));
    expect(shared.tercet.pods.encode.toSorted()).toEqual(['encode-0', 'encode-1']);
    expect(after.map((count, i) => count > (before[i] as bigint))).toEqual([true, true]);
    await become('encode-1', ROLE_DECODE);
    const alone = await json(await system.post('/v1/chat/completions', request));
    expect(alone.tercet.pods.encode).toEqual(['encode-0']);
    expect(alone.choices[0].message.content).toBe(shared.choices[0].message.content);
    await become('encode-1', ROLE_ENCODE);
  });
});

describe('one process', () => {
  test('takes every role in turn with its weights loaded once, and the text stays the same', async () => {
    const { ROLE_ENCODE, ROLE_PREFILL, ROLE_DECODE } = wire.Role;
    const request = ask('What colour is the square?', red);
    const expected = (await json(await system.post('/v1/chat/completions', request))).choices[0].message.content;
    const first = await statusOf('decode-1');
    const pid = system.pidOf('decode-1');
    for (const role of [ROLE_ENCODE, ROLE_PREFILL, ROLE_DECODE, ROLE_ENCODE, ROLE_DECODE]) {
      const now = await become('decode-1', role);
      const answer = await json(await system.post('/v1/chat/completions', request));
      expect([wire.Role[role], answer.choices[0].message.content]).toEqual([wire.Role[role], expected]);
      expect([now.modelDigest, system.pidOf('decode-1')]).toEqual([first.modelDigest, pid]);
      expect(Number(now.residentBytes)).toBeLessThan(2 * Number(first.residentBytes));
    }
  });
});

describe('the official OpenAI client', () => {
  test('lists models, chats and streams', async () => {
    const client = new OpenAI({ baseURL: `${system.url}/v1`, apiKey: 'none' });
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual([model]);
    const messages = [{ role: 'user' as const, content: 'Hello.' }];
    const options = { model, messages, temperature: 0, max_tokens: 16 };
    const whole = await client.chat.completions.create(options);
    let text = '';
    for await (const chunk of await client.chat.completions.create({ ...options, stream: true })) {
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe(whole.choices[0]?.message.content);
    await expect(client.chat.completions.create({ ...options, model: 'none' })).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });
});

describe('the other routes', () => {
  test('completions take text and token ids, several at a time', async () => {
    const client = new OpenAI({ baseURL: `${system.url}/v1`, apiKey: 'none' });
    const options = { model, temperature: 0, max_tokens: 8 };
    const [one, two] = (await client.completions.create({ ...options, prompt: ['Hello', 'What'], logprobs: 1 }))
      .choices;
    expect(one?.logprobs?.tokens).toHaveLength(one?.logprobs?.token_logprobs?.length ?? -1);
    let text = '';
    for await (const chunk of await client.completions.create({ ...options, prompt: 'What', stream: true })) {
      text += chunk.choices[0]?.text ?? '';
    }
    expect(text).toBe(two?.text);
    const ids = await client.completions.create({ ...options, prompt: [300, 301] });
    expect(ids.usage?.prompt_tokens).toBe(2);
    const wrong = client.completions.create({ ...options, prompt: [1_000_000] });
    await expect(wrong).rejects.toMatchObject({ status: 400, code: 'invalid_request' });
  });

  test('responses, whole and streamed', async () => {
    const client = new OpenAI({ baseURL: `${system.url}/v1`, apiKey: 'none' });
    const content = [
      { type: 'input_image' as const, image_url: red, detail: 'auto' as const },
      { type: 'input_text' as const, text: 'What colour is the square?' },
    ];
    const request = { model, input: [{ role: 'user' as const, content }], temperature: 0, max_output_tokens: 20 };
    const whole = await client.responses.create(request);
    expect(whole).toMatchObject({
      status: 'completed',
      output_text: 'Red.',
      usage: { input_tokens: expect.any(Number) },
    });
    const events: string[] = [];
    let text = '';
    for await (const event of await client.responses.create({ ...request, stream: true })) {
      events.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    expect(text).toBe(whole.output_text);
    expect([events[0], events.at(-1)]).toEqual(['response.created', 'response.completed']);
  });

  test('the gRPC API streams the same answer', async () => {
    using channel = GrpcChannel.open(`127.0.0.1:${system.grpcPort}`);
    const client = channel.client(wire.GatewayDefinition);
    const { models } = await client.listModels({});
    expect(models).toMatchObject([{ name: model, acceptsImages: true }]);
    const image = Buffer.from(red.slice(red.indexOf(',') + 1), 'base64');
    const parts = [{ part: { $case: 'image' as const, value: image } }, textPart('What colour is the square?')];
    const options = { temperature: 0, tokensMax: 24 };
    let text = '';
    const kinds: string[] = [];
    for await (const { event } of client.chat({ model, messages: [{ role: 'user', parts }], options })) {
      kinds.push(event?.$case ?? '');
      if (event?.$case === 'delta' || event?.$case === 'finished') text += event.value.text;
    }
    const http = await json(await system.post('/v1/chat/completions', ask('What colour is the square?', red)));
    expect(text).toBe(http.choices[0].message.content);
    expect([kinds[0], kinds.at(-1)]).toEqual(['accepted', 'finished']);
    const none = client.chat({ model: 'none', messages: [{ role: 'user', parts: [textPart('x')] }] });
    await expect(none[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'model_not_found' });
  });
});

const textPart = (value: string) => ({ part: { $case: 'text' as const, value } });

describe('the system', () => {
  test('the OpenAPI document describes every route that takes a body', async () => {
    const document = await json(await fetch(`${system.url}/openapi.json`));
    const { schema } = document.paths['/v1/chat/completions'].post.requestBody.content['application/json'];
    expect(schema.required).toEqual(['model', 'messages']);
    for (const [path, methods] of Object.entries<object>(document.paths)) {
      if ('get' in methods && !path.includes('{')) expect((await fetch(system.url + path)).status).toBe(200);
      if ('post' in methods && !path.includes('{')) expect((await system.post(path, {})).status).toBe(400);
    }
  });

  test('metrics say what happened', async () => {
    const text = await (await fetch(`${system.url}/metrics`)).text();
    expect(text).toMatch(/tercet_requests_total\{model="tercet-tiny",outcome="ok"\} \d+/);
    expect(text).toMatch(/tercet_ttft_part_seconds_bucket\{le="0.01",model="tercet-tiny",part="encode"\}/);
  });
});

/** Gives a process another role, and waits until the gateway knows. */
async function become(podId: string, role: wire.Role): Promise<wire.WorkerStatus> {
  using channel = GrpcChannel.open(`unix:${system.folder}/run/${podId}.sock`);
  const worker = channel.client(wire.WorkerDefinition);
  const { epoch: expectedEpoch } = await worker.getStatus({});
  const status = await worker.setRole({ role, expectedEpoch, drainTimeoutMs: 5000 });
  const roleName = wire.Role[role].replace('ROLE_', '').toLowerCase();
  await system.until((pods) =>
    pods.some((pod) => pod.podId === podId && pod.role === roleName && pod.phase === 'ready'),
  );
  return status;
}

async function statusOf(podId: string): Promise<wire.WorkerStatus> {
  using channel = GrpcChannel.open(`unix:${system.folder}/run/${podId}.sock`);
  return await channel.client(wire.WorkerDefinition).getStatus({});
}

async function requestsDone(podId: string): Promise<bigint> {
  return (await statusOf(podId)).load?.requestsDone ?? 0n;
}

// biome-ignore lint/suspicious/noExplicitAny: a response is what the test says it is
async function json(response: Response): Promise<any> {
  return response.json();
}

// biome-ignore lint/suspicious/noExplicitAny: a chunk is what the test says it is
type Chunk = any;

async function streamText(body: object, onText: (text: string) => Promise<void> = async () => undefined) {
  const response = await system.post('/v1/chat/completions', { ...body, stream: true });
  let text = '';
  let rest = '';
  let last: Chunk;
  for await (const bytes of response.body ?? []) {
    const events = (rest + Buffer.from(bytes).toString()).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const data = event.replace(/^data: /, '');
      if (data === '[DONE]') continue;
      last = JSON.parse(data);
      text += last.choices?.[0]?.delta?.content ?? '';
    }
    await onText(text);
  }
  return { text, last };
}

/** The decode process that works now, by its own word: what the gateway shows is up to a poll old. */
async function busyDecode(): Promise<string> {
  for (const podId of ['decode-0', 'decode-1']) {
    using channel = GrpcChannel.open(`unix:${system.folder}/run/${podId}.sock`);
    const { load } = await channel.client(wire.WorkerDefinition).getStatus({});
    if ((load?.running ?? 0) > 0) return podId;
  }
  return '';
}
