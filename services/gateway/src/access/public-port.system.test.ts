import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { newApiKey, openControlStore, type SqlControlStore } from '@tercet/control-store';
import { GrpcServer } from '@tercet/grpc';
import { MemoryControlStore } from '@tercet/jobs';
import { systemClock } from '@tercet/telemetry';
import type { Scope } from '@tercet/tenancy';
import { Collections } from '../collections/collections.js';
import { VectorIndexClient } from '../collections/vector-index.js';
import type { Generate } from '../http/chat.js';
import { internalFields } from '../http/internal-fields.js';
import { routesOf } from '../http/router.js';
import { GatewayMetrics } from '../metrics.js';
import { ModelTable } from '../models/model-table.js';
import { discoveryOf } from '../pods/discovery.js';
import { PodTable } from '../pods/pod-table.js';
import { PoolWatch } from '../pods/pool-watch.js';
import { gatewayService } from '../rpc.js';
import { MemorySystem, testModel } from '../testing/memory-system.js';
import { Access } from './access.js';
import { KeyRing } from './key-ring.js';

/** Stands in everything that must reach no stage, no log and no metric. */
const mark = 'xylophonic';
const logged: string[] = [];
const log = {
  info: (event: string, fields?: object) => void logged.push(JSON.stringify({ event, ...fields })),
  error: (event: string, fields?: object) => void logged.push(JSON.stringify({ event, ...fields })),
};

let folder: string;
let control: SqlControlStore;
let keys: KeyRing;
let system: MemorySystem;
let pods: PodTable;
let pools: PoolWatch;
let http: Server;
let grpc: GrpcServer;
const metrics = new GatewayMetrics({ slo: { ttftMs: 1000, tpotMs: 100, attainment: 0.95 }, runningMax: 8 });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-access-'));
  control = await openControlStore({ kind: 'sqlite', path: join(folder, 'control.db') }, systemClock);
  const fresh = { pollMs: 50, staleMsMax: 30_000 };
  keys = await KeyRing.open({ store: control.keys, clock: systemClock, log, ...fresh });
  system = new MemorySystem();
  pods = new PodTable({ discovery: discoveryOf([]), pollMs: 1000, clock: systemClock, log });
  const access = new Access({ keys, required: true });
  const models = new ModelTable([testModel()]);
  const generate: Generate = (request, signal) => system.pipeline.run(request, signal);
  const embed = async () => [];
  const { admission } = system;
  const bodyBytesMax = 1 << 20;
  const stored = {
    store: new MemoryControlStore(systemClock),
    fileBytesMax: 1 << 20,
    underWayMax: 8,
    onChange: () => {},
  };
  pools = new PoolWatch({ gatewayId: 'g', discovery: discoveryOf([]), pollMs: 1000, demand: () => [], log });
  const collections = new Collections({ models, embed, index: new VectorIndexClient(undefined) });
  const held = { models, collections, pods, pools, access, admission };
  const routes = { ...held, generate, embed, metrics, bodyBytesMax, log, ...stored };
  http = createServer(routesOf(routes)).listen(0, '127.0.0.1');
  await new Promise((resolve) => http.once('listening', resolve));
  grpc = await GrpcServer.open('127.0.0.1:0', [gatewayService({ models, access, generate, embed })]);
});
afterAll(async () => {
  http.closeAllConnections();
  http.close();
  await grpc[Symbol.asyncDispose]();
  pods[Symbol.dispose]();
  pools[Symbol.dispose]();
  await system[Symbol.asyncDispose]();
  await keys[Symbol.asyncDispose]();
  await control[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function keyOf(tenant: string, ...scopes: Scope[]): Promise<{ key: string; id: string }> {
  const { key, record } = newApiKey({ tenant, name: '', scopes, createdUnixMs: Date.now() });
  await control.keys.addKey(record);
  await keys.refresh();
  return { key, id: record.id };
}

function ask(path: string, options: { key?: string; body?: unknown; method?: string } = {}): Promise<Response> {
  const { key, body, method } = options;
  const { port } = http.address() as AddressInfo;
  return fetch(`http://127.0.0.1:${port}${path}`, {
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    ...(method === undefined ? {} : { method }),
  });
}

async function errorOf(response: Response): Promise<{ status: number; type: string; code: string; param: unknown }> {
  const { error } = (await response.json()) as { error: { type: string; code: string; param: unknown } };
  return { status: response.status, type: error.type, code: error.code, param: error.param };
}

const chatBody = { model: 'fake', max_tokens: 2, messages: [{ role: 'user', content: 'Hello there, who are you?' }] };
const chatPath = '/v1/chat/completions';

describe('without a key', () => {
  test.each([
    { path: '/v1/models' },
    { path: '/V1/models' },
    { path: '/v1/models/fake' },
    { path: '/v1/no-such-route' },
    { path: '/tercet/pods' },
    { path: '/Tercet/tenants' },
    { path: '/tercet/pods/' },
    { path: chatPath, body: chatBody },
    { path: '/v1/embeddings', body: {} },
    { path: '/v1/responses', body: 'not read' },
    { path: chatPath, method: 'DELETE' },
  ])('$path is refused', async ({ path, ...options }) => {
    const response = await ask(path, options);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await errorOf(response)).toMatchObject({
      status: 401,
      type: 'authentication_error',
      code: 'unauthenticated',
    });
  });

  test('every error is counted by its code, whichever route answered it', async () => {
    const countOf = async (code: string) => {
      const pattern = new RegExp(`^tercet_http_errors_total\\{code="${code}"\\} (\\d+)$`, 'm');
      return Number(pattern.exec(await metrics.text())?.[1] ?? 0);
    };
    const codes = ['unauthenticated', 'route_not_found', 'method_not_allowed'];
    const before = await Promise.all(codes.map(countOf));
    await ask('/v1/models');
    await ask('/no-such-file.html');
    await ask('/healthz', { method: 'DELETE' });
    await ask('/healthz');
    const after = await Promise.all(codes.map(countOf));
    expect(after.map((count, i) => count - (before[i] ?? 0))).toEqual([1, 1, 1]);
  });

  test.each([
    { path: '/healthz' },
    { path: '/readyz' },
    { path: '/metrics' },
    { path: '/openapi.json' },
    { path: '/' },
  ])('$path is open', async ({ path }) => {
    expect([200, 503]).toContain((await ask(path)).status);
  });

  test.each(['chat', 'embed', 'listModels'] as const)('%s over gRPC is refused', async (method) => {
    expect(await rawCall(pathOf(method), Buffer.alloc(0))).toMatchObject({ status: '16', code: 'unauthenticated' });
  });
});

describe('with a key', () => {
  test('inference is served, and what needs admin is forbidden', async () => {
    const { key } = await keyOf('acme', 'inference');
    expect((await ask('/v1/models', { key })).status).toBe(200);
    expect((await ask(chatPath, { key, body: chatBody })).status).toBe(200);
    expect(await errorOf(await ask('/tercet/pods', { key }))).toMatchObject({
      status: 403,
      type: 'permission_error',
      code: 'forbidden',
    });
  });

  test('admin alone shows the system and answers nothing', async () => {
    const { key } = await keyOf('ops', 'admin');
    expect((await ask('/tercet/pods', { key })).status).toBe(200);
    expect((await ask('/tercet/tenants', { key })).status).toBe(200);
    expect(await errorOf(await ask(chatPath, { key, body: chatBody }))).toMatchObject({ code: 'forbidden' });
  });

  test('gRPC takes it as metadata', async () => {
    const { key } = await keyOf('acme', 'inference');
    const headers = { authorization: `Bearer ${key}` };
    expect(await rawCall(pathOf('listModels'), Buffer.alloc(0), headers)).toMatchObject({ status: '0' });
  });

  test('a revoked key opens nothing within a second, with no restart', async () => {
    const { key, id } = await keyOf('acme', 'inference');
    expect((await ask('/v1/models', { key })).status).toBe(200);
    await control.keys.revokeKey(id, Date.now());
    const revokedMs = performance.now();
    while ((await ask('/v1/models', { key })).status === 200) {
      expect(performance.now() - revokedMs).toBeLessThan(1000);
      await sleep(10);
    }
    expect(await errorOf(await ask('/v1/models', { key }))).toMatchObject({ code: 'unauthenticated' });
  });

  test('another tenant finds nothing cached of a prompt, its own does', async () => {
    const [a, b] = [await keyOf('tenant-a', 'inference'), await keyOf('tenant-b', 'inference')];
    const cached = async (key: string) => {
      const response = await ask(chatPath, { key, body: chatBody });
      const { usage } = (await response.json()) as { usage: { prompt_tokens_details: { cached_tokens: number } } };
      return usage.prompt_tokens_details.cached_tokens;
    };
    expect(await cached(a.key)).toBe(0);
    expect(await cached(b.key)).toBe(0);
    expect(await cached(a.key)).toBeGreaterThan(0);
  });

  test('another tenant sees neither its files nor its batches', async () => {
    const [a, b] = await Promise.all([keyOf('files-a', 'inference'), keyOf('files-b', 'inference')]);
    const { port } = http.address() as AddressInfo;
    const get = async (path: string, key: string) =>
      fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${key}` } });
    const form = new FormData();
    form.set('purpose', 'batch');
    form.set('file', new Blob(['{"custom_id":"1","method":"POST","url":"/v1/embeddings","body":{}}\n']), 'in.jsonl');
    const headers = { authorization: `Bearer ${a.key}` };
    const sent = await fetch(`http://127.0.0.1:${port}/v1/files`, { method: 'POST', headers, body: form });
    const { id } = (await sent.json()) as { id: string };
    const batch = { input_file_id: id, endpoint: '/v1/embeddings', completion_window: '24h' };
    expect((await ask('/v1/batches', { key: b.key, body: batch })).status).toBe(404);
    const made = (await (await ask('/v1/batches', { key: a.key, body: batch })).json()) as { id: string };
    for (const path of [`/v1/files/${id}`, `/v1/files/${id}/content`, `/v1/batches/${made.id}`]) {
      expect([path, (await get(path, a.key)).status, (await get(path, b.key)).status]).toEqual([path, 200, 404]);
    }
    expect(await (await get('/v1/files', b.key)).json()).toMatchObject({ data: [] });
    expect(await (await get('/v1/batches', b.key)).json()).toMatchObject({ data: [] });
  });

  test('it stands in no log and no metric', async () => {
    const { key } = await keyOf('acme', 'inference');
    await ask(chatPath, { key, body: chatBody });
    await ask(chatPath, { key: `${key}x`, body: chatBody });
    await ask('/tercet/pods', { key });
    const text = [...logged, await metrics.text()].join('\n');
    expect(text).not.toContain(key.slice(16));
  });
});

describe('internal fields', () => {
  test('are refused in a body, and no stage hears of the request', async () => {
    const { key } = await keyOf('acme', 'inference');
    const before = system.messages.length;
    for (const field of internalFields) {
      const response = await ask(chatPath, { key, body: { ...chatBody, [field]: { [mark]: mark } } });
      expect(await errorOf(response)).toMatchObject({ status: 400, code: 'invalid_request', param: field });
    }
    expect(system.messages).toHaveLength(before);
  });

  test('in headers are not looked at', async () => {
    const { key } = await keyOf('acme', 'inference');
    const { port } = http.address() as AddressInfo;
    const names = ['tenant', 'x-tenant', 'x-tercet-tenant', 'x-data-parallel-rank', 'x-request-id', 'traceparent'];
    const headers = { authorization: `Bearer ${key}`, ...Object.fromEntries(names.map((name) => [name, mark])) };
    const response = await fetch(`http://127.0.0.1:${port}${chatPath}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(chatBody),
    });
    expect(response.status).toBe(200);
    expect(told()).not.toContain(mark);
  });

  test('that gRPC does not know are dropped, and reach no stage', async () => {
    const { key } = await keyOf('acme', 'inference');
    const context = wire.CallContext.fromPartial({ requestId: mark, tenant: mark, role: wire.Role.ROLE_DECODE });
    const lease = wire.TensorLease.fromPartial({ leaseId: mark, endpoint: `tcp://${mark}:1` });
    const unknown = [900, 901].map((field, at) =>
      bytesField(field, (at === 0 ? wire.CallContext.encode(context) : wire.TensorLease.encode(lease)).finish()),
    );
    const text = { part: { $case: 'text' as const, value: 'Hello' } };
    const request = { model: 'fake', messages: [{ role: 'user', parts: [text] }], options: { tokensMax: 2 } };
    const chat = wire.ChatRequest.encode(wire.ChatRequest.fromPartial(request)).finish();
    const headers = { authorization: `Bearer ${key}`, tenant: mark, 'x-tenant': mark };
    const before = system.messages.length;
    const answer = await rawCall(pathOf('chat'), Buffer.concat([chat, ...unknown]), headers);
    expect(answer).toMatchObject({ status: '0' });
    expect(system.messages.length).toBeGreaterThan(before);
    expect(told()).not.toContain(mark);
  });
});

/** Everything that stages were told, as text. */
function told(): string {
  return JSON.stringify(system.messages, (_key, value) => (typeof value === 'bigint' ? `${value}` : value));
}

/** A field of a protobuf message that holds bytes. */
function bytesField(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 127) | 128);
  }
}

function pathOf(method: 'chat' | 'embed' | 'listModels'): string {
  const { name } = wire.GatewayDefinition.methods[method];
  return `/${wire.GatewayDefinition.fullName}/${name}`;
}

/** A unary message to a gRPC method, byte for byte. */
async function rawCall(path: string, bytes: Uint8Array, headers: Record<string, string> = {}) {
  const session = connect(`http://${grpc.endpoint}`);
  const fixed = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
  const call = session.request({ ...fixed, ':path': path, ...headers });
  const length = Buffer.alloc(5);
  length.writeUInt32BE(bytes.length, 1);
  call.end(Buffer.concat([length, bytes]));
  let ending: Record<string, unknown> = {};
  for (const event of ['response', 'trailers'] as const) {
    call.on(event, (fields: object) => {
      ending = { ...ending, ...fields };
    });
  }
  for await (const _chunk of call);
  session.close();
  return { status: ending['grpc-status'], code: ending['tercet-code'] };
}
