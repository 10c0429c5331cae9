import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { PictureServer } from './picture-server.js';
import { png, squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

const model = 'tercet-tiny';
const chatPath = '/v1/chat/completions';
/** Stands in every prompt of this file, and must stand in no log. */
const secret = 'quizzaciously';
const red = squarePicture([200, 30, 30]);
const textPart = { type: 'text', text: secret };
const imagePart = (url: string) => ({ type: 'image_url', image_url: { url } });
const user = (content: unknown) => [{ role: 'user', content }];
const ask = (more: object = {}) => ({ model, temperature: 0, max_tokens: 2, messages: user(secret), ...more });
const show = (...urls: string[]) => ask({ messages: user([...urls.map(imagePart), textPart]) });
const dataUrl = (type: string, bytes: Uint8Array) => `data:${type};base64,${Buffer.from(bytes).toString('base64')}`;
const withSchema = (schema: object) =>
  ask({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } });

jest.setTimeout(60_000);

let system: RunningSystem;
let server: PictureServer;
beforeAll(async () => {
  server = await PictureServer.open();
  system = await RunningSystem.start(['--allow-private-addresses']);
}, 90_000);
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
}, 60_000);

afterEach(async () => {
  const good = await system.post(chatPath, show(red));
  expect({ status: good.status, body: await good.json() }).toMatchObject({
    status: 200,
    body: { object: expect.any(String) },
  });
});

interface Refusal {
  readonly status: number;
  readonly code: string;
  /** What the message must hold for a person to understand it. */
  readonly says: RegExp;
}

async function expectRefusal(response: Response, { status, code, says }: Refusal): Promise<void> {
  const text = await response.text();
  expect({ status: response.status, text }).toEqual({ status, text: expect.stringMatching(/^\{"error":\{/) });
  const { error } = JSON.parse(text);
  expect(error).toMatchObject({ code, message: expect.stringMatching(says), request_id: expect.any(String) });
  expect(error.message).not.toMatch(/node_modules|\.js:|undefined|\[object/);
}

describe('pictures', () => {
  const stored = (name: string) =>
    readFileSync(new URL(`../../../libs/adapters/image/src/testdata/${name}`, import.meta.url));
  const half = (bytes: Uint8Array) => bytes.subarray(0, Math.floor(bytes.length / 2));
  test.each([
    { what: 'no image', url: dataUrl('image/png', Buffer.from('hello')), code: 'media_type_unsupported' },
    { what: 'nothing', url: 'data:image/png;base64,', code: 'media_invalid' },
    { what: 'half a PNG', url: dataUrl('image/png', half(png(64, (x, y) => [x, y, x ^ y]))), code: 'media_invalid' },
    { what: 'half a JPEG', url: dataUrl('image/jpeg', half(stored('wide-420.jpg'))), code: 'media_invalid' },
    { what: 'half a WebP', url: dataUrl('image/webp', half(stored('lossy.webp'))), code: 'media_invalid' },
    { what: 'half a GIF', url: dataUrl('image/gif', half(stored('full-table.gif'))), code: 'media_invalid' },
    { what: '100 megapixels', url: dataUrl('image/png', bomb(10_000)), code: 'media_too_large', says: /10000|pixels/i },
    { what: 'no base64', url: 'data:image/png;base64,!!!!', code: 'media_invalid', says: /base64/ },
    { what: 'no URL', url: 'picture.png', code: 'media_fetch_failed', says: /URL/ },
  ])('$what: $code', async ({ url, code, says = /media/i }) => {
    await expectRefusal(await system.post(chatPath, show(url)), { status: 400, code, says });
  });

  test('10,000 in one request', async () => {
    const body = show(...Array.from({ length: 10_000 }, () => red));
    const refusal = { status: 400, code: 'media_too_many', says: /10000.*16/ };
    await expectRefusal(await system.post(chatPath, body), refusal);
  });

  test('one in a system message is seen, as those of a user are', async () => {
    const messages = [{ role: 'system', content: [imagePart(red)] }, ...user(secret)];
    const response = await system.post(chatPath, ask({ messages }));
    expect({ status: response.status, ...((await response.json()) as object) }).toMatchObject({
      status: 200,
      usage: { prompt_tokens_details: { media_tokens: 16 } },
    });
  });
});

describe('picture URLs', () => {
  test.each([
    { path: '/hangs', code: 'media_fetch_failed', says: /not done within \d+ ms/ },
    { path: '/redirects-for-ever', code: 'media_fetch_failed', says: /redirects/ },
    { path: '/redirects-to-file', code: 'media_fetch_failed', says: /http/ },
    { path: '/html', code: 'media_type_unsupported', says: /text\/html/ },
    { path: '/html-as-png', code: 'media_type_unsupported', says: /media/i },
    { path: '/endless', code: 'media_too_large', says: /bytesMax/ },
    { path: '/claims-much', code: 'media_too_large', says: /bytes/ },
    { path: '/cut', code: 'media_fetch_failed', says: /127\.0\.0\.1/ },
    { path: '/missing', code: 'media_fetch_failed', says: /404/ },
  ])('$path: $code', async ({ path, code, says }) => {
    const response = await system.post(chatPath, show(`${server.url}${path}?${secret}`));
    await expectRefusal(response, { status: 400, code, says });
  });

  test('a port that nobody listens on', async () => {
    const refusal = { status: 400, code: 'media_fetch_failed', says: /refused/i };
    await expectRefusal(await system.post(chatPath, show('http://127.0.0.1:9/x.png')), refusal);
  });

  test('one that leads to a picture is read, over a redirect too', async () => {
    for (const path of ['/picture', '/redirects-to-picture']) {
      expect((await system.post(chatPath, show(server.url + path))).status).toBe(200);
    }
  });
});

describe('fields', () => {
  const invalid = (param: RegExp): Refusal => ({ status: 400, code: 'invalid_request', says: param });
  const tools = [{ type: 'function', function: { name: 'there', parameters: { type: 'object' } } }];
  const elsewhere = { type: 'function', function: { name: 'elsewhere' } };
  test.each<{ what: string; body: unknown; refusal: Refusal }>([
    {
      what: 'a prompt over the context',
      body: ask({ messages: user(`${secret} `.repeat(9000)) }),
      refusal: { status: 400, code: 'prompt_too_long', says: /promptTokens: \d+, contextTokensMax: 4096/ },
    },
    ...[0, -1, 1.5, 1e30, 'many'].map((max_tokens) => ({
      what: `max_tokens ${max_tokens}`,
      body: ask({ max_tokens }),
      refusal: invalid(/max_tokens/),
    })),
    ...[-0.1, 2.1, 'hot'].map((temperature) => ({
      what: `temperature ${temperature}`,
      body: ask({ temperature }),
      refusal: invalid(/temperature/),
    })),
    ...[0, 17, 1e9, 1.5].map((n) => ({ what: `n ${n}`, body: ask({ n }), refusal: invalid(/param: n,/) })),
    {
      what: 'an unknown model',
      body: ask({ model: 'gpt-9' }),
      refusal: { status: 404, code: 'model_not_found', says: /gpt-9/ },
    },
    { what: 'no model', body: { messages: user(secret) }, refusal: invalid(/model/) },
    { what: 'an unknown field', body: ask({ frobnicate: 1 }), refusal: invalid(/frobnicate/) },
    { what: 'no messages', body: ask({ messages: [] }), refusal: invalid(/messages/) },
    { what: 'no object', body: [], refusal: invalid(/object/) },
    {
      what: 'an unknown role',
      body: ask({ messages: [{ role: 'wizard', content: secret }] }),
      refusal: invalid(/messages\.0\.role/),
    },
    {
      what: 'a schema of an unknown type',
      body: withSchema({ type: 'no' }),
      refusal: { status: 400, code: 'grammar_unsupported', says: /type/ },
    },
    {
      what: 'a schema with a keyword that cannot be held',
      body: withSchema({ type: 'array', uniqueItems: true }),
      refusal: { status: 400, code: 'grammar_unsupported', says: /uniqueItems/ },
    },
    {
      what: 'an unknown response format',
      body: ask({ response_format: { type: 'xml' } }),
      refusal: invalid(/response_format/),
    },
    {
      what: 'a tool that is not there',
      body: ask({ tools, tool_choice: elsewhere }),
      refusal: invalid(/no such tool/),
    },
    {
      what: 'a bias of a token that is not there',
      body: ask({ logit_bias: { 4000000: 1 } }),
      refusal: invalid(/logit_?bias/i),
    },
    { what: 'a bias of no number', body: ask({ logit_bias: { word: 1 } }), refusal: invalid(/logit_bias/) },
    { what: 'a bias beyond 32 bits', body: ask({ logit_bias: { 99999999999: 1 } }), refusal: invalid(/logit_?bias/i) },
  ])('$what', async ({ body, refusal }) => {
    await expectRefusal(await system.post(chatPath, body), refusal);
  });

  test('a seed beyond 64 bits', async () => {
    const body = JSON.stringify(ask({ seed: 7 })).replace('"seed":7', '"seed":18446744073709551616');
    await expectRefusal(await system.post(chatPath, body), invalid(/seed/));
  });

  test('a max_tokens that no context has ends with the context', async () => {
    const response = await system.post(
      chatPath,
      ask({ max_tokens: 1_000_000, messages: user(`${secret} `.repeat(20)) }),
    );
    expect(response.status).toBe(200);
    await response.json();
  });
});

describe('JSON', () => {
  const deep = (open: string, close: string) => `${open.repeat(100_000)}1${close.repeat(100_000)}`;
  const inside = (field: string) => JSON.stringify(ask({ inside: 0 })).replace('"inside":0', field);
  const nested = deep('{"a":', '}');
  test.each([
    { what: 'none at all', body: '', code: 'invalid_json' },
    {
      what: 'half of it',
      body: `{"model":"${model}","messages":[{"role":"user","content":"${secret}`,
      code: 'invalid_json',
    },
    { what: 'with a comma too many', body: '{"a":1,}', code: 'invalid_json' },
    { what: 'not UTF-8', body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), code: 'invalid_json' },
    { what: '100,000 lists deep', body: deep('[', ']'), code: 'invalid_request' },
    { what: '100,000 objects deep', body: nested, code: 'invalid_request' },
    { what: 'deep metadata', body: inside(`"metadata":{"a":${nested}}`), code: 'invalid_request' },
    {
      what: 'a deep schema',
      body: inside(`"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":${nested}}}`),
      code: 'invalid_request',
    },
    {
      what: 'deep parameters of a tool',
      body: inside(`"tools":[{"type":"function","function":{"name":"x","parameters":${nested}}}]`),
      code: 'invalid_request',
    },
  ])('$what: $code', async ({ body, code }) => {
    const response = await fetch(system.url + chatPath, { method: 'POST', body });
    await expectRefusal(response, { status: 400, code, says: /./ });
  });

  test.each(['length', 'chunks'] as const)('a body over the limit, told by its %s', async (by) => {
    const size = 65 * 1024 * 1024;
    const whole = Buffer.alloc(size, 0x20);
    const body = by === 'length' ? whole : new Blob([whole]).stream();
    const init = { method: 'POST', body, ...(by === 'length' ? {} : { duplex: 'half' }) };
    const response = await fetch(system.url + chatPath, init as RequestInit).catch((error: unknown) => error);
    // The server hangs up on what it does not read: a client that is still sending may see only that.
    if (response instanceof Response)
      await expectRefusal(response, { status: 413, code: 'body_too_large', says: /67108864/ });
    else expect(String((response as Error).cause)).toMatch(/EPIPE|ECONNRESET|other side closed/);
  });
});

describe('HTTP', () => {
  test.each([
    { method: 'GET', path: chatPath, allow: 'POST' },
    { method: 'DELETE', path: '/v1/embeddings', allow: 'POST' },
    { method: 'POST', path: '/v1/models', allow: 'GET, HEAD' },
    { method: 'PUT', path: '/healthz', allow: 'GET, HEAD' },
  ])('$method $path is not allowed', async ({ method, path, allow }) => {
    const response = await fetch(system.url + path, { method });
    await expectRefusal(response, { status: 405, code: 'method_not_allowed', says: new RegExp(path) });
    expect(response.headers.get('allow')).toBe(allow);
  });

  test.each([
    { method: 'GET', path: '/v1/nothing' },
    { method: 'POST', path: '/v2/chat/completions' },
    { method: 'GET', path: '/%2e%2e/package.json' },
  ])('$method $path is not there', async ({ method, path }) => {
    await expectRefusal(await fetch(system.url + path, { method }), {
      status: 404,
      code: 'route_not_found',
      says: /route/,
    });
  });

  test.each(['/v1/models/%E0%A4', '/%E0%A4%', '/%00.html'])('%s is no path', async (path) => {
    const { status, body } = await get(path);
    expect([400, 404]).toContain(status);
    expect(JSON.parse(body).error.code).toMatch(/invalid_request|route_not_found/);
  });

  test('huge headers', async () => {
    const { status, body } = await get('/healthz', { 'x-long': 'a'.repeat(1_000_000) });
    expect({ status, error: JSON.parse(body).error }).toMatchObject({
      status: 431,
      error: { code: 'headers_too_large' },
    });
  });

  test('what is no HTTP', async () => {
    const socket = connect({ port: Number(new URL(system.url).port), host: '127.0.0.1' });
    socket.end('HELLO\r\n\r\n');
    let said = '';
    for await (const chunk of socket) said += String(chunk);
    expect(said).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"invalid_request"/);
  });
});

describe('after all of it', () => {
  test('the same processes run, and none of them holds anything', async () => {
    await system.until((pods) => pods.every((p) => p.running + p.waiting + p.kvBlocksUsed + p.leasesOpen === 0));
    const log = system.log();
    const ready = log.filter(({ event }) => event === 'stage.ready' || event === 'gateway.ready');
    expect(ready).toHaveLength(4);
    expect(log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('no log has a prompt, a picture or a URL', () => {
    const said = readFileSync(`${system.folder}/tercet.log`, 'utf8');
    expect(said).toContain('request.');
    expect(said).not.toContain(secret);
    expect(said).not.toContain(red.slice(60, 90));
    expect(said).not.toContain(server.url);
  });
});

/** A PNG whose header says that it is a square of this edge; its pixels are missing. */
function bomb(edge: number): Buffer {
  const picture = Buffer.from(png(1, () => [0, 0, 0]));
  picture.writeUInt32BE(edge, 16);
  picture.writeUInt32BE(edge, 20);
  return picture;
}

/** A request as it is written: `fetch` would correct the path and hang up on the answer to huge headers. */
function get(path: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(system.url);
    const asked = request({ hostname, port, path, headers }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += String(chunk);
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    asked.on('error', reject).end();
  });
}
