import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { needs, PrivatePostgres } from '@tercet/testing';
import OpenAI, { toFile } from 'openai';
import { RunningSystem } from './running-system.js';

const bert = fileURLToPath(new URL('../../../models/fixtures/bert.gguf', import.meta.url));
const model = 'tercet-tiny';
const chatUrl = '/v1/chat/completions';

jest.setTimeout(90_000);

let system: RunningSystem;
let client: OpenAI;
beforeAll(async () => {
  system = await RunningSystem.start(['--model', model, bert]);
  client = new OpenAI({ baseURL: `${system.url}/v1`, apiKey: 'none', maxRetries: 0 });
}, 90_000);
afterAll(() => system?.[Symbol.asyncDispose](), 60_000);

interface ResultLine {
  readonly id: string;
  readonly custom_id: string;
  readonly response: {
    readonly status_code: number;
    readonly body: { readonly error?: { readonly code: string } };
  } | null;
  readonly error: { readonly code: string } | null;
}

const chat = (content: string, more: object = {}) => {
  return { model, temperature: 0, max_tokens: 8, messages: [{ role: 'user' as const, content }], ...more };
};
const lineOf = (customId: string, body: object, more: object = {}) => {
  return { custom_id: customId, method: 'POST', url: chatUrl, body, ...more };
};
const jsonLines = (lines: readonly object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

async function upload(text: string | Buffer): Promise<string> {
  const { id } = await client.files.create({ file: await toFile(Buffer.from(text), 'in.jsonl'), purpose: 'batch' });
  return id;
}

async function submit(inputFileId: string, endpoint: '/v1/chat/completions' | '/v1/embeddings' = chatUrl) {
  return client.batches.create({ input_file_id: inputFileId, endpoint, completion_window: '24h' });
}

async function untilOver(id: string): Promise<OpenAI.Batch> {
  for (;;) {
    const batch = await client.batches.retrieve(id);
    if (['completed', 'failed', 'expired', 'cancelled'].includes(batch.status)) return batch;
    await sleep(50);
  }
}

async function linesOf(fileId: string | null | undefined): Promise<ResultLine[]> {
  if (typeof fileId !== 'string') return [];
  const text = await (await client.files.content(fileId)).text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ResultLine);
}

describe("OpenAI's client", () => {
  test('gets for each line what the same request gets over HTTP', async () => {
    const questions = ['What is this?', 'Count to three.', 'Name a colour.', 'Hello'];
    const batch = await submit(await upload(jsonLines(questions.map((text, i) => lineOf(`q${i}`, chat(text))))));
    expect(batch).toMatchObject({ object: 'batch', status: 'validating', endpoint: chatUrl, errors: null });
    const done = await untilOver(batch.id);
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 4, completed: 4, failed: 0 } });
    expect(done.error_file_id).toBeNull();
    const lines = await linesOf(done.output_file_id);
    expect(lines.map(({ custom_id }) => custom_id)).toEqual(['q0', 'q1', 'q2', 'q3']);
    for (const [i, text] of questions.entries()) {
      const { choices } = await client.chat.completions.create(chat(text));
      expect(lines[i]?.response).toMatchObject({ status_code: 200, body: { choices: [choices[0]] } });
    }
  });

  test('embeds texts, and finds what failed in a file of its own', async () => {
    const url = '/v1/embeddings';
    const embed = (customId: string, body: object) => lineOf(customId, body, { url });
    const lines = [
      embed('good', { model: 'bert', input: 'the red cat' }),
      embed('no such model', { model: 'none', input: 'x' }),
      embed('a chat model', { model, input: 'x' }),
      embed('too long', { model: 'bert', input: 'sea '.repeat(70) }),
    ];
    const done = await untilOver((await submit(await upload(jsonLines(lines)), url)).id);
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 4, completed: 1, failed: 3 } });
    const [vector] = await linesOf(done.output_file_id);
    expect(vector).toMatchObject({ custom_id: 'good', error: null, response: { body: { data: [{ index: 0 }] } } });
    const failed = await linesOf(done.error_file_id);
    const codes = failed.map(({ custom_id, response }) => [
      custom_id,
      response?.status_code,
      response?.body.error?.code,
    ]);
    expect(codes).toEqual([
      ['no such model', 404, 'model_not_found'],
      ['a chat model', 400, 'feature_unsupported'],
      ['too long', 400, 'prompt_too_long'],
    ]);
  });

  test('lists, finds and deletes its files and batches', async () => {
    const id = await upload(jsonLines([lineOf('a', chat('Hello'))]));
    expect(await client.files.retrieve(id)).toMatchObject({ object: 'file', purpose: 'batch', filename: 'in.jsonl' });
    expect(await (await client.files.content(id)).text()).toBe(jsonLines([lineOf('a', chat('Hello'))]));
    const batch = await submit(id);
    await untilOver(batch.id);
    const all: string[] = [];
    for await (const each of client.batches.list({ limit: 1 })) all.push(each.id);
    expect(all[0]).toBe(batch.id);
    expect(new Set(all).size).toBe(all.length);
    const outputs = await client.files.list({ purpose: 'batch_output' });
    expect(outputs.data.every(({ purpose }) => purpose === 'batch_output')).toBe(true);
    expect(await client.files.delete(id)).toEqual({ id, object: 'file', deleted: true });
    await expect(client.files.retrieve(id)).rejects.toMatchObject({ status: 404, code: 'file_not_found' });
    const { output_file_id: output } = await client.batches.retrieve(batch.id);
    await client.files.delete(String(output));
    await expect(client.files.content(String(output))).rejects.toMatchObject({ code: 'file_not_found' });
  });

  test('cancels a batch that runs, and keeps the answers that were there', async () => {
    const lines = Array.from({ length: 200 }, (_, i) => lineOf(`q${i}`, chat(`Count from ${i}.`, { max_tokens: 64 })));
    const { id } = await submit(await upload(jsonLines(lines)));
    await until(async () => ((await client.batches.retrieve(id)).request_counts?.completed ?? 0) > 2);
    expect(await client.batches.cancel(id)).toMatchObject({ status: 'cancelling' });
    const done = await untilOver(id);
    expect(done.status).toBe('cancelled');
    const answered = await linesOf(done.output_file_id);
    const unrun = await linesOf(done.error_file_id);
    expect(answered.length).toBeGreaterThan(2);
    expect(unrun.every(({ error, response }) => error?.code === 'batch_cancelled' && response === null)).toBe(true);
    expect([...answered, ...unrun].map(({ custom_id }) => custom_id).toSorted()).toEqual(
      lines.map(({ custom_id }) => custom_id).toSorted(),
    );
  });
});

describe('what is wrong', () => {
  const form = (fields: Record<string, string | Blob>) => {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    return { method: 'POST', body };
  };
  const file = new Blob(['{}']);
  const post = (body: unknown) => ({ method: 'POST', body: JSON.stringify(body) });
  const batch = { input_file_id: 'file-none', endpoint: chatUrl, completion_window: '24h' };
  test.each<[string, string, RequestInit, number, string, RegExp]>([
    ['no form', '/v1/files', post({}), 400, 'invalid_request', /multipart/],
    ['a form without a file', '/v1/files', form({ purpose: 'batch' }), 400, 'invalid_request', /param: file/],
    ['a file without a purpose', '/v1/files', form({ file }), 400, 'invalid_request', /purpose/],
    ['another purpose', '/v1/files', form({ purpose: 'assistants', file }), 400, 'invalid_request', /purpose/],
    ['an empty file', '/v1/files', form({ purpose: 'batch', file: new Blob([]) }), 400, 'invalid_request', /empty/],
    [
      'an unknown field',
      '/v1/files',
      form({ purpose: 'batch', colour: 'red', file }),
      400,
      'invalid_request',
      /colour/,
    ],
    ['a file in another field', '/v1/files', form({ purpose: 'batch', paper: file }), 400, 'invalid_request', /paper/],
    ['an unknown file', '/v1/files/file-none', {}, 404, 'file_not_found', /file-none/],
    ['content of an unknown file', '/v1/files/file-none/content', {}, 404, 'file_not_found', /file-none/],
    ['deletion of an unknown file', '/v1/files/file-none', { method: 'DELETE' }, 404, 'file_not_found', /file-none/],
    ['a page behind an unknown file', '/v1/files?after=file-none', {}, 404, 'file_not_found', /file-none/],
    ['a page of no size', '/v1/files?limit=0', {}, 400, 'invalid_request', /limit/],
    ['an unknown query', '/v1/batches?colour=red', {}, 400, 'invalid_request', /colour/],
    ['a batch of an unknown file', '/v1/batches', post(batch), 404, 'file_not_found', /file-none/],
    ['another endpoint', '/v1/batches', post({ ...batch, endpoint: '/v1/images' }), 400, 'invalid_request', /endpoint/],
    ['another window', '/v1/batches', post({ ...batch, completion_window: '1h' }), 400, 'invalid_request', /window/],
    ['an unknown batch', '/v1/batches/batch_none', {}, 404, 'batch_not_found', /batch_none/],
    ['cancel of an unknown one', '/v1/batches/batch_none/cancel', post({}), 404, 'batch_not_found', /batch_none/],
    ['another method', '/v1/batches/batch_none', { method: 'PUT' }, 405, 'method_not_allowed', /PUT/],
  ])('%s', async (_, path, init, status, code, says) => {
    const response = await fetch(system.url + path, init);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect({ status: response.status, ...error }).toMatchObject({ status, code, message: expect.stringMatching(says) });
  });

  test('a file that is cut off leaves nothing', async () => {
    const before = (await client.files.list()).data.length;
    const head = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}';
    const headers = { 'content-type': 'multipart/form-data; boundary=x' };
    const response = await fetch(`${system.url}/v1/files`, { method: 'POST', body: head, headers });
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_request' } });
    expect((await client.files.list()).data).toHaveLength(before);
  });

  test.each([
    ['no JSON lines', 'hello\n', 'invalid_json_line', 1],
    ['a custom_id twice', jsonLines([lineOf('a', chat('x')), lineOf('a', chat('y'))]), 'duplicate_custom_id', 2],
    ['another url', jsonLines([lineOf('a', chat('x'), { url: '/v1/embeddings' })]), 'invalid_url', 1],
    ['blank lines', '\n\n', 'empty_file', null],
    ['a line over the limit', `${' '.repeat(17 * 1024 * 1024)}\n`, 'line_too_large', 1],
    [
      'too many lines',
      jsonLines(Array.from({ length: 50_001 }, (_, i) => lineOf(`${i}`, {}))),
      'too_many_lines',
      50_001,
    ],
  ])('an input with %s fails its batch', async (_, text, code, line) => {
    const done = await untilOver((await submit(await upload(text))).id);
    expect(done).toMatchObject({ status: 'failed', errors: { data: [{ code, line }] }, output_file_id: null });
  });

  test('a batch that is over cannot be cancelled', async () => {
    const { id } = await submit(await upload(jsonLines([lineOf('a', chat('x'))])));
    await untilOver(id);
    await expect(client.batches.cancel(id)).rejects.toMatchObject({ status: 409, code: 'batch_state' });
  });
});

describe('over deaths of gateways', () => {
  test('every line has one result, also with a second gateway on the same store', async () => {
    await using second = await OtherGateway.start(system, 'second');
    const lines = Array.from({ length: 300 }, (_, i) => lineOf(`q${i}`, chat(`Say ${i}.`, { max_tokens: 24 })));
    const { id } = await submit(await upload(jsonLines(lines)));
    for (const share of [0.1, 0.3, 0.5]) {
      await until(async () => (await second.answered(id)) > share * lines.length);
      await killGateway();
    }
    await until(async () => (await second.statusOf(id)) === 'completed', 80_000);
    const done = await client.batches.retrieve(id);
    expect(done.request_counts).toEqual({ total: 300, completed: 300, failed: 0 });
    const results = await linesOf(done.output_file_id);
    expect(results.map(({ custom_id }) => custom_id)).toEqual(lines.map(({ custom_id }) => custom_id));
    expect(new Set(results.map((result) => result.id)).size).toBe(300);
  });

  test('one that is alone goes on where it was killed', async () => {
    const lines = Array.from({ length: 60 }, (_, i) => lineOf(`q${i}`, chat(`Say ${i}.`, { max_tokens: 24 })));
    const { id } = await submit(await upload(jsonLines(lines)));
    await until(async () => ((await client.batches.retrieve(id)).request_counts?.completed ?? 0) > 5);
    await killGateway();
    await untilReady();
    const done = await untilOver(id);
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 60, completed: 60 } });
    expect(await linesOf(done.output_file_id)).toHaveLength(60);
  });
});

const postgres = needs('postgres');
if (postgres !== undefined) {
  test('two gateways share a PostgreSQL, and one of them dies', async () => {
    await using server = await PrivatePostgres.start(postgres);
    const store = { kind: 'postgres', ...server.address };
    await using survivor = await OtherGateway.start(system, 'survivor', store);
    await using victim = await OtherGateway.start(system, 'victim', store);
    const lines = Array.from({ length: 120 }, (_, i) => lineOf(`q${i}`, chat(`Say ${i}.`, { max_tokens: 24 })));
    const file = await toFile(Buffer.from(jsonLines(lines)), 'in.jsonl');
    const input = await victim.client.files.create({ file, purpose: 'batch' });
    const asked = { input_file_id: input.id, endpoint: chatUrl, completion_window: '24h' } as const;
    const { id } = await victim.client.batches.create(asked);
    await until(async () => (await survivor.answered(id)) > 20);
    await victim.kill();
    await server.crash();
    await until(async () => (await survivor.statusOf(id)) === 'completed', 60_000);
    const done = await survivor.client.batches.retrieve(id);
    expect(done.request_counts).toEqual({ total: 120, completed: 120, failed: 0 });
    const text = await (await survivor.client.files.content(String(done.output_file_id))).text();
    expect(text.match(/"custom_id":"q\d+"/g)).toEqual(lines.map(({ custom_id }) => `"custom_id":"${custom_id}"`));
  });
}

/** In the middle of whatever it does. */
async function killGateway(): Promise<void> {
  await untilReady();
  process.kill(Number(system.log().findLast(({ event }) => event === 'gateway.ready')?.pid), 'SIGKILL');
}

async function untilReady(): Promise<void> {
  await until(async () => (await fetch(`${system.url}/readyz`).catch(() => undefined))?.ok === true);
}

async function until(condition: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  for (const startMs = performance.now(); performance.now() - startMs < timeoutMs; await sleep(50)) {
    if (await condition()) return;
  }
  throw new Error('it did not become so in time');
}

/** Another gateway over the stages of a system, and over its store unless it has one of its own. */
class OtherGateway implements AsyncDisposable {
  readonly client: OpenAI;
  readonly #child: ReturnType<typeof spawn>;

  static async start(of: RunningSystem, name: string, store?: object): Promise<OtherGateway> {
    const entry = fileURLToPath(new URL('../../../services/gateway/dist/main.js', import.meta.url));
    const configured = of.log().find(({ event }) => event === 'gateway.ready')?.config as object;
    const path = join(of.folder, `${name}.json`);
    const own = { http: { port: 0 }, grpcEndpoint: `unix:${of.folder}/${name}.sock` };
    writeFileSync(path, JSON.stringify({ ...configured, ...own, ...(store && { store }) }));
    const child = spawn(process.execPath, [entry, '--config', path], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return new OtherGateway(port, child);
  }

  private constructor(port: number, child: ReturnType<typeof spawn>) {
    this.client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'none' });
    this.#child = child;
  }

  async answered(id: string): Promise<number> {
    return (await this.client.batches.retrieve(id)).request_counts?.completed ?? 0;
  }

  async statusOf(id: string): Promise<string> {
    return (await this.client.batches.retrieve(id)).status;
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exited;
  }
}
