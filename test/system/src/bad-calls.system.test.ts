import { connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import { LoneStage } from './lone-stage.js';
import { PictureServer } from './picture-server.js';
import { squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

const model = 'tercet-tiny';
const chatPath = '/v1/chat/completions';
/** Stands in every prompt of this file, and must stand in no log. */
const secret = 'xylophonic';
const red = squarePicture([200, 30, 30]);
const image = Buffer.from(red.slice(red.indexOf(',') + 1), 'base64');
const ask = (more: object = {}) => ({ model, max_tokens: 2, messages: [{ role: 'user', content: secret }], ...more });
const { ROLE_ENCODE, ROLE_PREFILL, ROLE_DECODE } = wire.Role;

jest.setTimeout(90_000);

let system: RunningSystem;
/** Calls that stay open until the end. */
const kept = new DisposableStack();
beforeAll(async () => {
  system = await RunningSystem.start(['--requests', '3']);
}, 90_000);
afterAll(async () => {
  kept[Symbol.dispose]();
  await system[Symbol.asyncDispose]();
}, 60_000);

afterEach(async () => {
  const good = await system.post(chatPath, ask());
  expect({ status: good.status, body: await good.json() }).toMatchObject({ status: 200, body: { model } });
});

describe('without --allow-private-addresses', () => {
  test('private addresses are refused before anybody is asked', async () => {
    await using server = await PictureServer.open();
    const paths = ['/picture', '/redirects-to-link-local'].map((path) => server.url + path);
    for (const url of [...paths, 'http://[::1]/x.png', 'http://localhost/x.png', 'http://169.254.169.254/latest']) {
      const content = [{ type: 'image_url', image_url: { url } }];
      const response = await system.post(chatPath, ask({ messages: [{ role: 'user', content }] }));
      const { error } = (await response.json()) as { error: { code: string } };
      expect([url, response.status, error.code]).toEqual([url, 403, 'media_address_refused']);
    }
    expect(server.requests).toBe(0);
  });
});

describe('when as many requests run as may', () => {
  test('one more is refused with Retry-After, and served once there is room', async () => {
    const long = { max_tokens: 1500, ignore_eos: true, stream: true };
    const streams = await Promise.all([1, 2, 3].map((seed) => system.post(chatPath, ask({ ...long, seed }))));
    const refused = await system.post(chatPath, ask());
    expect({ status: refused.status, ...((await refused.json()) as object) }).toMatchObject({
      status: 429,
      error: { code: 'overloaded' },
    });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    for (const { body } of streams) await body?.cancel();
    await system.until((pods) => pods.every(({ running }) => running === 0));
  });
});

describe('the public gRPC API', () => {
  const textPart = { part: { $case: 'text' as const, value: secret } };
  const chat = wire.ChatRequest.fromPartial({
    model,
    messages: [{ role: 'user', parts: [textPart] }],
    options: { tokensMax: 2 },
  });
  const bytesOf = (request: wire.ChatRequest) => Buffer.from(wire.ChatRequest.encode(request).finish());
  const deepGrammar = `${'{"not":'.repeat(20_000)}{}${'}'.repeat(20_000)}`;

  test('fields that it does not know are ignored; no deadline is needed', async () => {
    // Field 1000, a varint.
    const { status, code, messages } = await rawChat(Buffer.concat([bytesOf(chat), Buffer.from([0xc0, 0x3e, 1])]));
    expect({ status, code }).toEqual({ status: '0', code: undefined });
    expect(messages).toBeGreaterThan(1);
  });

  test.each([
    { what: 'an empty message', bytes: Buffer.alloc(0), status: '3', code: 'invalid_request' },
    { what: 'bytes that are no protobuf', bytes: Buffer.alloc(40, 0xff), status: '3', code: 'invalid_request' },
    { what: 'half a message', bytes: bytesOf(chat).subarray(0, -3), status: '3', code: 'invalid_request' },
    ...[
      { what: 'no messages', request: { ...chat, messages: [] }, code: 'invalid_request' },
      { what: 'an empty part', request: { ...chat, messages: [{ role: 'user', parts: [{}] }] } },
      { what: 'an unknown role', request: { ...chat, messages: [{ role: 'wizard', parts: [textPart] }] } },
      { what: 'tokens_max 0', request: { ...chat, options: { tokensMax: 0 } } },
      { what: 'temperature -1', request: { ...chat, options: { temperature: -1 } } },
      { what: 'temperature NaN', request: { ...chat, options: { temperature: Number.NaN } } },
      { what: 'top_p 2', request: { ...chat, options: { topP: 2 } } },
      { what: 'top_logprobs of 4 billion', request: { ...chat, options: { topLogprobs: 0xffffffff } } },
      { what: 'a deep grammar', request: { ...chat, options: { grammar: deepGrammar } }, code: 'grammar_unsupported' },
    ].map(({ what, request, code = 'invalid_request' }) => ({
      what,
      bytes: bytesOf(wire.ChatRequest.fromPartial(request)),
      status: '3',
      code,
    })),
  ])('$what: $code', async ({ bytes, status, code }) => {
    expect(await rawChat(bytes)).toMatchObject({ status, code });
  });

  test('a deadline that passes ends the call', async () => {
    const options = wire.GenerationOptions.fromPartial({ tokensMax: 3000 });
    expect(await rawChat(bytesOf({ ...chat, options }), { 'grpc-timeout': '20m' })).toMatchObject({ status: '4' });
  });
});

describe('a call to a stage that does not belong there', () => {
  test.each([
    { what: 'a stale epoch', podId: 'prefill-0', more: { epoch: 77n }, code: 'epoch_stale' },
    { what: 'another role', podId: 'prefill-0', more: { role: ROLE_DECODE }, code: 'epoch_stale' },
    { what: 'a pod of another role', podId: 'decode-0', more: {}, code: 'epoch_stale' },
    { what: 'a deadline that is over', podId: 'prefill-0', more: { deadlineUnixMs: 1n }, code: 'deadline_exceeded' },
  ])('$what: $code', async ({ podId, more, code }) => {
    expect(await prefillWith([], { podId, more })).toBe(code);
  });
});

describe('a lease', () => {
  test('that was consumed is told from one that never was', async () => {
    const lease = await encoded();
    const spans = [spanOf(lease)];
    expect(await prefillWith([spanOf({ ...lease, leaseId: '0'.repeat(32) })])).toBe('lease_unknown');
    expect(await prefillWith(spans)).toBe('ok');
    expect(await prefillWith(spans)).toBe('lease_consumed');
  });

  test('that expired is told from one that was consumed', async () => {
    const leases = { ttlMs: 200, quarantineMs: 200 };
    const folder = `${system.folder}/run`;
    await using pod = await LoneStage.start({ podId: 'short-0', folder, role: 'encode', leases });
    const lease = await encoded(pod.podId);
    await sleep(leases.ttlMs + 50);
    expect(await prefillWith([spanOf(lease)])).toBe('lease_expired');
  });

  test.each([
    { what: 'another layout', more: { layoutDigest: 'none' } },
    { what: 'another generation', more: { generation: 77n } },
    { what: 'another shape', more: { shape: [16, 7] } },
    { what: 'another type', more: { dtype: wire.DType.DTYPE_F16 } },
  ])('of $what: lease_mismatch, and it can still be read', async ({ more }) => {
    const lease = await encoded();
    expect(await prefillWith([spanOf({ ...lease, ...more })])).toBe('lease_mismatch');
    expect(await prefillWith([spanOf(lease)])).toBe('ok');
  });
});

describe('after all of it', () => {
  test('the same processes run, none holds anything, and no log has a prompt or a picture', async () => {
    await system.until((pods) => pods.every((p) => p.running + p.waiting + p.kvBlocksUsed + p.leasesOpen === 0));
    const log = system.log();
    expect(log.filter(({ event }) => event === 'stage.ready' || event === 'gateway.ready')).toHaveLength(4);
    expect(log.filter(({ level }) => level === 'error')).toEqual([]);
    expect(JSON.stringify(log)).not.toContain(secret);
    expect(JSON.stringify(log)).not.toContain(red.slice(40, 80));
  });
});

/** One Chat call as bytes. `messages`: how many came back. */
async function rawChat(bytes: Buffer, headers: Record<string, string> = {}) {
  const session = connect(`http://127.0.0.1:${system.grpcPort}`);
  const fixed = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
  const call = session.request({ ...fixed, ':path': '/tercet.v1.Gateway/Chat', ...headers });
  const length = Buffer.alloc(5);
  length.writeUInt32BE(bytes.length, 1);
  call.end(Buffer.concat([length, bytes]));
  let ending: Record<string, unknown> = {};
  // A call that fails at once has its status in the only headers that there are.
  for (const event of ['response', 'trailers'] as const) {
    call.on(event, (fields: object) => {
      ending = { ...ending, ...fields };
    });
  }
  let messages = 0;
  let rest = Buffer.alloc(0);
  for await (const chunk of call) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    for (; rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1); messages++) {
      rest = rest.subarray(5 + rest.readUInt32BE(1));
    }
  }
  session.close();
  return { status: ending['grpc-status'], code: ending['tercet-code'], messages };
}

/** A channel to a pod, and what a call to it must carry. */
async function open(podId: string, role: wire.Role, more: Partial<wire.CallContext> = {}) {
  const channel = GrpcChannel.open(`unix:${system.folder}/run/${podId}.sock`);
  const { epoch } = await channel.client(wire.WorkerDefinition).getStatus({});
  const deadlineUnixMs = BigInt(Date.now() + 10_000);
  const context = { requestId: 'r', attempt: 1, deadlineUnixMs, role, epoch, tenant: '', traceparent: '', ...more };
  return { channel, context };
}

/** The lease on the media tokens of one picture; its call stays open as long as the tests run. */
async function encoded(podId = 'encode-0'): Promise<wire.TensorLease> {
  const { channel, context } = await open(podId, ROLE_ENCODE);
  kept.use(channel);
  const tiles = [{ index: 0, x: 0, y: 0, size: 64, globalView: true, contentKey: 'k' }];
  const size = { resizedWidth: 64, resizedHeight: 64, boundedWidth: 64, boundedHeight: 64 };
  const request = { context, model, image, contentHash: 'h', tiles, ...size };
  const call = channel.client(wire.EncodeDefinition).encodeTiles(request)[Symbol.asyncIterator]();
  const { value } = await call.next();
  if (value?.lease === undefined) throw new Error('no lease');
  call.next().catch(() => undefined);
  return value.lease;
}

function spanOf(lease: wire.TensorLease): wire.MediaSpan {
  return { start: 0, tokens: 16, contentKey: 'k', lease, leaseRow: 0 };
}

/** How a prefill with these spans ends: `ok` or a code. */
async function prefillWith(
  media: wire.MediaSpan[],
  { podId = 'prefill-0', more = {} }: { podId?: string; more?: Partial<wire.CallContext> } = {},
): Promise<unknown> {
  const { channel, context } = await open(podId, ROLE_PREFILL, more);
  using _ = channel;
  const sampling = wire.Sampling.create({ topP: 1, repetitionPenalty: 1 });
  const prompt = { model, tokenIds: Array<number>(20).fill(5), media, sampling, generatedTokens: 0, discardKv: true };
  try {
    for await (const _event of channel.client(wire.PrefillDefinition).prefill({ ...prompt, context }));
    return 'ok';
  } catch (error) {
    return (error as { code?: string }).code;
  }
}
