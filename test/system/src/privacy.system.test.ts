import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { PictureServer } from './picture-server.js';
import { squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

const bert = fileURLToPath(new URL('../../../models/fixtures/bert.gguf', import.meta.url));
const model = 'tercet-tiny';
/** Stands in everything that a user wrote, and must stand in no log. */
const secret = 'sesquipedalian';
const picture = squarePicture([200, 30, 30]);
const user = (content: unknown) => [{ role: 'user', content }];
const withUrl = (url: string) =>
  user([
    { type: 'image_url', image_url: { url } },
    { type: 'text', text: secret },
  ]);
const chatPath = '/v1/chat/completions';

jest.setTimeout(90_000);

let system: RunningSystem;
let server: PictureServer;
beforeAll(async () => {
  server = await PictureServer.open();
  system = await RunningSystem.start(['--allow-private-addresses', '--decode', '2', '--model', model, bert]);
}, 90_000);
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
}, 60_000);

describe('no log has what a user wrote, a picture or an address', () => {
  afterEach(() => {
    const said = readFileSync(`${system.folder}/tercet.log`, 'utf8');
    expect(said).toContain('gateway.ready');
    for (const line of said.split('\n')) {
      for (const words of [secret, picture.slice(60, 90), server.url]) expect(line).not.toContain(words);
    }
  });

  const parameters = { type: 'object', properties: { [secret]: { type: 'string', [secret]: secret } } };
  const tool = { type: 'function', function: { name: secret, description: secret, parameters } };
  const schema = { type: 'json_schema', json_schema: { name: secret, schema: { [secret]: [secret] } } };
  const input = { input: secret, max_output_tokens: 4 };
  test.each<{ what: string; path: string; body: object; status: number }>([
    {
      what: 'a completion',
      path: '/v1/completions',
      body: { max_tokens: 4, prompt: `${secret} ${secret}`, stop: secret },
      status: 200,
    },
    {
      what: 'a refused completion',
      path: '/v1/completions',
      body: { max_tokens: 4, prompt: secret, suffix: secret },
      status: 400,
    },
    {
      what: 'a completion that is too long',
      path: '/v1/completions',
      body: { max_tokens: 4, prompt: secret.repeat(5000) },
      status: 400,
    },
    { what: 'a response', path: '/v1/responses', body: { ...input, instructions: secret }, status: 200 },
    { what: 'a refused response', path: '/v1/responses', body: { ...input, input: [{ role: secret }] }, status: 400 },
    { what: 'an embedding', path: '/v1/embeddings', body: { model: 'bert', input: secret }, status: 200 },
    {
      what: 'an embedding of too much',
      path: '/v1/embeddings',
      body: { model: 'bert', input: `${secret} `.repeat(99) },
      status: 400,
    },
    { what: 'a tool', path: chatPath, body: { max_tokens: 4, messages: user(secret), tools: [tool] }, status: 200 },
    {
      what: 'a tool that cannot be held',
      path: chatPath,
      body: { max_tokens: 4, messages: user(secret), tools: [tool], tool_choice: 'required' },
      status: 400,
    },
    {
      what: 'a schema that cannot be held',
      path: chatPath,
      body: { max_tokens: 4, messages: user(secret), response_format: schema },
      status: 400,
    },
    {
      what: 'an image URL',
      path: chatPath,
      body: { max_tokens: 4, messages: withUrl(`@/picture?${secret}`) },
      status: 200,
    },
    {
      what: 'an image URL that fails',
      path: chatPath,
      body: { max_tokens: 4, messages: withUrl(`@/missing?${secret}`) },
      status: 400,
    },
    {
      what: 'an image URL to nowhere',
      path: chatPath,
      body: { max_tokens: 4, messages: withUrl(`http://${secret}.invalid/?${secret}`) },
      status: 400,
    },
    {
      what: 'a damaged picture',
      path: chatPath,
      body: { max_tokens: 4, messages: withUrl(picture.slice(0, 100)) },
      status: 400,
    },
    {
      what: 'metadata',
      path: chatPath,
      body: { max_tokens: 4, messages: user(secret), metadata: { [secret]: secret }, user: secret },
      status: 200,
    },
  ])('$what', async ({ path, body, status }) => {
    const text = JSON.stringify({ model, ...body }).replace('"@', `"${server.url}`);
    const response = await system.post(path, text);
    expect({ status: response.status, body: await response.text() }).toMatchObject({ status });
  });

  test.each([
    { what: 'in the middle of an answer', path: chatPath, killed: 'decode' },
    { what: 'before a completion', path: '/v1/completions', killed: 'prefill' },
    { what: 'before a picture', path: chatPath, killed: 'encode' },
  ])('a stage that dies $what', async ({ path, killed }) => {
    const long = { model, max_tokens: 600, ignore_eos: true, stream: true, temperature: 0 };
    const asked = path === chatPath ? { messages: withUrl(picture) } : { prompt: secret };
    const ids = killed === 'decode' ? ['decode-0-m0', 'decode-1-m0'] : [`${killed}-0-m0`];
    if (killed !== 'decode') for (const id of ids) process.kill(system.pidOf(id), 'SIGKILL');
    const response = await system.post(path, { ...long, ...asked });
    const reader = response.body?.getReader();
    await reader?.read();
    if (killed === 'decode') for (const id of ids) process.kill(system.pidOf(id), 'SIGKILL');
    let text = '';
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
      text += Buffer.from(part.value).toString();
    }
    expect(text.trimEnd()).toMatch(/\[DONE\]$/);
    await system.until((pods) => ids.every((id) => pods.some(({ podId, phase }) => podId === id && phase === 'ready')));
  });
});
