import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import { squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

const model = 'tercet-tiny';
const red = squarePicture([200, 30, 30]);
const imagePart = (url: string) => ({ type: 'image_url', image_url: { url } });
const ask = (text: string, image?: string) => ({
  model,
  temperature: 0,
  max_tokens: 24,
  messages: [{ role: 'user', content: image === undefined ? text : [imagePart(image), { type: 'text', text }] }],
});
const path = '/v1/chat/completions';

jest.setTimeout(120_000);

let system: RunningSystem;
/** Gives what image URLs should not lead to. */
const web = createServer((request, response) => {
  if (request.url === '/page') response.setHeader('content-type', 'text/html').end('<html></html>');
  else if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end();
  else if (request.url === '/private') response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end();
  else if (request.url === '/endless') endless(response.setHeader('content-type', 'image/png'));
  else if (request.url === '/gone') response.writeHead(404).end();
  else if (request.url === '/good.png') response.end(Buffer.from(red.split(',')[1] ?? '', 'base64'));
  // Anything else is never answered.
});
let webUrl = '';

beforeAll(async () => {
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  webUrl = `http://127.0.0.1:${(web.address() as { port: number }).port}`;
  system = await RunningSystem.start(['--requests', '3', '--allow-private-addresses']);
}, 90_000);
afterAll(async () => {
  web.closeAllConnections();
  web.close();
  await system[Symbol.asyncDispose]();
}, 60_000);

describe('a request that cannot be served says why', () => {
  const html = `data:image/png;base64,${Buffer.from('<html></html>').toString('base64')}`;
  const bomb = `data:image/png;base64,${pngClaiming(20_000, 20_000)}`;
  const part = (role: string, content: unknown) => ({ ...ask('x'), messages: [{ role, content }] });
  test.each([
    { name: 'invalid JSON', body: '{', status: 400, code: 'invalid_json' },
    { name: 'half a body', body: '{"model":"', status: 400, code: 'invalid_json' },
    { name: 'JSON 100,000 deep', body: '['.repeat(100_000), status: 400, code: 'invalid_json' },
    { name: 'a list', body: '[]', status: 400, code: 'invalid_request' },
    { name: 'no messages', body: { model, messages: [] }, status: 400, code: 'invalid_request' },
    { name: 'an unknown role', body: part('robot', 'x'), status: 400, code: 'invalid_request' },
    { name: 'an unknown part', body: part('user', [{ type: 'smell' }]), status: 400, code: 'invalid_request' },
    { name: 'an unknown field', body: { ...ask('x'), frobnicate: 1 }, status: 400, code: 'invalid_request' },
    { name: 'an unknown model', body: { ...ask('x'), model: 'gpt-9' }, status: 404, code: 'model_not_found' },
    { name: 'no tokens to answer with', body: { ...ask('x'), max_tokens: 0 }, status: 400, code: 'invalid_request' },
    { name: 'fewer than none', body: { ...ask('x'), max_tokens: -1 }, status: 400, code: 'invalid_request' },
    { name: 'one and a half', body: { ...ask('x'), max_tokens: 1.5 }, status: 400, code: 'invalid_request' },
    { name: 'a temperature of -1', body: { ...ask('x'), temperature: -1 }, status: 400, code: 'invalid_request' },
    { name: 'no choices', body: { ...ask('x'), n: 0 }, status: 400, code: 'invalid_request' },
    { name: 'a million choices', body: { ...ask('x'), n: 1_000_000 }, status: 400, code: 'invalid_request' },
    {
      name: 'a token far away',
      body: { ...ask('x'), logit_bias: { 9999999: 1 } },
      status: 400,
      code: 'invalid_request',
    },
    { name: 'too long a prompt', body: ask('word '.repeat(9000)), status: 400, code: 'prompt_too_long' },
    { name: 'a picture that is a page', body: ask('x', html), status: 400, code: 'media_type_unsupported' },
    { name: 'a truncated picture', body: ask('x', red.slice(0, 200)), status: 400, code: 'media_invalid' },
    { name: 'a picture of 400 megapixels', body: ask('x', bomb), status: 400, code: 'media_too_large' },
    { name: 'a file URL', body: ask('x', 'file:///etc/passwd'), status: 400, code: 'media_fetch_failed' },
    { name: 'a schema that is none', body: withSchema({ type: 'no' }), status: 400, code: 'grammar_unsupported' },
  ])('$name: $code', async ({ body, status, code }) => {
    await expectRefused(body, { status, code });
  });

  test('bytes that are no UTF-8', async () => {
    const body = Buffer.concat([Buffer.from('{"model":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    const response = await fetch(system.url + path, { method: 'POST', body });
    expect([response.status, (await errorOf(response)).code]).toEqual([400, 'invalid_json']);
  });

  test('a body over the limit', async () => {
    const response = await fetch(system.url + path, { method: 'POST', body: Buffer.alloc(65 * 1024 * 1024, 32) }).catch(
      () => undefined,
    );
    // The connection may close before all of it is sent.
    if (response !== undefined) expect((await errorOf(response)).code).toBe('body_too_large');
    await expectAnswer();
  });

  test('10,000 pictures', async () => {
    const content = Array.from({ length: 10_000 }, () => imagePart('data:,'));
    await expectRefused(part('user', content), { code: 'media_too_many' });
  });

  test('huge headers, other methods and unknown routes', async () => {
    const huge = await fetch(`${system.url}/healthz`, { headers: { 'x-long': 'a'.repeat(100_000) } });
    expect(huge.status).toBe(431);
    expect((await fetch(system.url + path)).status).toBe(405);
    expect((await errorOf(await fetch(`${system.url}/v1/nothing`))).code).toBe('route_not_found');
    expect((await fetch(`${system.url}/../../package.json`)).status).toBe(404);
    await expectAnswer();
  });
});

describe('a picture by URL', () => {
  test.each([
    { to: '/page', code: 'media_type_unsupported' },
    { to: '/gone', code: 'media_fetch_failed' },
    { to: '/loop', code: 'media_fetch_failed' },
    { to: '/endless', code: 'media_too_large' },
    { to: '/never', code: 'media_fetch_failed' },
  ])('$to: $code', async ({ to, code }) => {
    await expectRefused(ask('x', webUrl + to), { code });
  });

  test('a good one is read; nobody listening, and a name that is none, are told', async () => {
    const response = await system.post(path, ask('What colour is the square?', `${webUrl}/good.png`));
    expect(response.status).toBe(200);
    await expectRefused(ask('x', 'http://127.0.0.1:9/x.png'), { code: 'media_fetch_failed' });
    await expectRefused(ask('x', 'http://no-such-host.invalid/x.png'), { code: 'media_fetch_failed' });
  });

  test('private addresses are refused where they are not allowed, also behind a redirect', async () => {
    await using careful = await RunningSystem.start();
    for (const url of [`${webUrl}/good.png`, 'http://[::1]/x.png', 'http://localhost/x.png', `${webUrl}/private`]) {
      const response = await careful.post(path, ask('x', url));
      expect([url, (await errorOf(response)).code]).toEqual([url, 'media_address_refused']);
    }
  });
});

describe('when as many requests run as may', () => {
  test('one more is refused with Retry-After, and served once there is room', async () => {
    const busy = Array.from({ length: 3 }, (_, seed) =>
      system.post(path, { ...ask('Hello.'), max_tokens: 1500, ignore_eos: true, stream: true, seed }),
    );
    const streams = await Promise.all(busy);
    const refused = await system.post(path, ask('Hello.'));
    expect([refused.status, (await errorOf(refused)).code]).toEqual([429, 'overloaded']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    for (const { body } of streams) await body?.cancel();
    await expectAnswer();
  });
});

describe('a call to a stage that does not belong there', () => {
  const open = async (podId: string, role: wire.Role, more: Partial<wire.CallContext> = {}) => {
    const channel = GrpcChannel.open(`unix:${system.folder}/run/${podId}.sock`);
    const { epoch } = await channel.client(wire.WorkerDefinition).getStatus({});
    const deadlineUnixMs = BigInt(Date.now() + 10_000);
    const context = { requestId: 'r', attempt: 1, deadlineUnixMs, role, epoch, tenant: '', traceparent: '', ...more };
    return { channel, context };
  };
  const sampling = wire.Sampling.create({ topP: 1, repetitionPenalty: 1 });
  const prefill = { model, tokenIds: [1, 2, 3], media: [], sampling, generatedTokens: 0, discardKv: true };
  const { ROLE_PREFILL, ROLE_DECODE } = wire.Role;

  test.each([
    { what: 'a stale epoch', podId: 'prefill-0', more: { epoch: 77n }, code: 'epoch_stale' },
    { what: 'another role', podId: 'prefill-0', more: { role: ROLE_DECODE }, code: 'epoch_stale' },
    { what: 'a pod of another role', podId: 'decode-0', more: {}, code: 'epoch_stale' },
    { what: 'a deadline that is over', podId: 'prefill-0', more: { deadlineUnixMs: 1n }, code: 'deadline_exceeded' },
  ])('$what: $code', async ({ podId, more, code }) => {
    const { channel, context } = await open(podId, ROLE_PREFILL, more);
    const events = channel.client(wire.PrefillDefinition).prefill({ ...prefill, context });
    const failure = await events[Symbol.asyncIterator]()
      .next()
      .catch((error: unknown) => error);
    channel.close();
    expect((failure as { code?: string }).code).toEqual(typeof code === 'string' ? code : expect.stringMatching(code));
  });

  test('a lease of another layout', async () => {
    const { channel, context } = await open('prefill-0', ROLE_PREFILL);
    const endpoint = `unix:${system.folder}/run/encode-0.tensors.sock`;
    const lease = {
      leaseId: '0'.repeat(32),
      endpoint,
      generation: 1n,
      layoutDigest: 'none',
      shape: [16, 192],
      dtype: wire.DType.DTYPE_F32,
      bytes: 16n * 192n * 4n,
      expiresUnixMs: BigInt(Date.now() + 10_000),
    };
    const media = [{ start: 0, tokens: 16, contentKey: 'k', lease, leaseRow: 0 }];
    const tokenIds = Array<number>(20).fill(5);
    const events = channel.client(wire.PrefillDefinition).prefill({ ...prefill, tokenIds, media, context });
    const failure = await events[Symbol.asyncIterator]()
      .next()
      .catch((error: unknown) => error);
    channel.close();
    expect((failure as { code?: string }).code).toBe('lease_mismatch');
    await expectAnswer();
  });
});

describe('after all of that', () => {
  test('nothing is held, no process was started again, and no log has a prompt or an image', async () => {
    await system.post(path, ask('xylophonic secret', red));
    await system.until((pods) =>
      pods.every(({ running, leasesOpen, kvBlocksUsed }) => running + leasesOpen + kvBlocksUsed === 0),
    );
    const ready = system.log().filter(({ event }) => event === 'stage.ready' || event === 'gateway.ready');
    expect(ready).toHaveLength(4);
    await sleep(200);
    const log = JSON.stringify(system.log());
    expect(log).not.toContain('xylophonic');
    expect(log).not.toContain(red.slice(40, 80));
    expect(log).not.toContain('word word');
  });
});

async function expectRefused(body: unknown, expected: { status?: number; code: string }): Promise<void> {
  const response = await system.post(path, body);
  const { code, message } = await errorOf(response);
  expect({ status: response.status, code }).toEqual({
    status: expected.status ?? expect.any(Number),
    code: expected.code,
  });
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(message).not.toBe('');
}

async function expectAnswer(): Promise<void> {
  const response = await system.post(path, ask('Hello.'));
  expect(response.status).toBe(200);
}

async function errorOf(response: Response): Promise<{ code: string; message: string }> {
  return ((await response.json()) as { error: { code: string; message: string } }).error;
}

function withSchema(schema: object) {
  return { ...ask('x'), response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } };
}

function endless(response: {
  write(bytes: Buffer): boolean;
  destroyed: boolean;
  once(event: 'drain', go: () => void): unknown;
}) {
  const bytes = Buffer.alloc(256 * 1024);
  const more = () => {
    if (response.destroyed) return;
    while (response.write(bytes));
    response.once('drain', more);
  };
  more();
}

/** The head of a PNG that claims a size. */
function pngClaiming(width: number, height: number): string {
  const head = Buffer.from('89504e470d0a1a0a0000000d4948445200000000000000000802000000', 'hex');
  head.writeUInt32BE(width, 16);
  head.writeUInt32BE(height, 20);
  return Buffer.concat([head, Buffer.alloc(64)]).toString('base64');
}
