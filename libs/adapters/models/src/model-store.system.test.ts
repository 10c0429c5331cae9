import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CatalogFile, CatalogSource } from './catalog.js';
import { ModelStore, type PullProgress } from './model-store.js';
import { type Behaviour, FileServer } from './testing/file-server.js';

const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8) * 13) % 256);
const sha256 = createHash('sha256').update(bytes).digest('hex');
const timing = { stallMs: 400, pauseMs: 1, attemptsMax: 3 };
const never = new AbortController().signal;

let folder: string;
let server: FileServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-models-'));
  server = await FileServer.open(bytes);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function storeOf(file: Partial<CatalogFile> = {}): ModelStore {
  const sources: CatalogSource[] = [{ kind: 'url', url: server.url }];
  const files: CatalogFile[] = [{ role: 'model', name: 'm.gguf', bytes: bytes.length, sha256, sources, ...file }];
  const catalog = { folder, models: [{ name: 'm', kind: 'chat' as const, licence: 'MIT', files }] };
  return new ModelStore({ catalog, folder: join(folder, 'cache'), timing });
}
const unknown = { sha256: undefined, bytes: undefined } as unknown as Partial<CatalogFile>;
function behave(behaviour: Behaviour): undefined {
  server.behaviour = behaviour;
}
const status =
  (code: number): Behaviour =>
  (_, response) => {
    response.writeHead(code).end();
    return 'handled';
  };
const target = () => join(folder, 'cache/m/m.gguf');
const pulled = () => Buffer.compare(readFileSync(target()), bytes) === 0;
const leftovers = () => readdirSync(join(folder, 'cache/m')).sort();

async function leavePart(content: Uint8Array, validator?: string): Promise<void> {
  await mkdir(join(folder, 'cache/m'), { recursive: true });
  writeFileSync(`${target()}.part`, content);
  if (validator !== undefined) writeFileSync(`${target()}.part.validator`, validator);
}

describe('a pull', () => {
  test('brings the file, checks it and tells how far it is', async () => {
    const seen: PullProgress[] = [];
    await expect(storeOf().pull('m', { signal: never, progress: (p) => seen.push(p) })).resolves.toEqual({
      model: target(),
    });
    expect(pulled()).toBe(true);
    expect(leftovers()).toEqual(['m.gguf', 'm.gguf.sha256']);
    expect(readFileSync(`${target()}.sha256`, 'utf8')).toBe(`${sha256}  m.gguf\n`);
    const whole = { bytesDone: 300_000, bytesTotal: 300_000 };
    expect(seen.at(-1)).toEqual({ file: 'm.gguf', phase: 'ready', ...whole, check: 'matched' });
    expect([...new Set(seen.map(({ phase }) => phase))]).toEqual(['download', 'verify', 'ready']);
    const sizes = seen.filter(({ phase }) => phase === 'download').map(({ bytesDone }) => bytesDone);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
  });

  test('of what is here asks no server', async () => {
    await storeOf().pull('m', { signal: never });
    await storeOf().pull('m', { signal: never });
    expect(server.ranges).toEqual([undefined]);
  });

  test('goes on where a connection was cut', async () => {
    let calls = 0;
    server.behaviour = (_, response) => (++calls === 1 ? server.cutAfter(100_000, response) : 'serve');
    await storeOf().pull('m', { signal: never });
    expect(pulled()).toBe(true);
    expect(server.ranges).toEqual([undefined, 'bytes=100000-']);
  });

  test('survives more cuts than attempts while every one brings bytes', async () => {
    server.behaviour = (request, response) => {
      const start = Number(/\d+/.exec(request.headers.range ?? '0')?.[0]);
      return start < 250_000 ? server.cutAfter(50_000, response, start) : 'serve';
    };
    await storeOf().pull('m', { signal: never });
    expect(pulled()).toBe(true);
    expect(server.ranges.length).toBe(6);
  });

  test('goes on where an earlier process stopped', async () => {
    await leavePart(bytes.subarray(0, 123_456));
    await storeOf().pull('m', { signal: never });
    expect(pulled()).toBe(true);
    expect(server.ranges).toEqual(['bytes=123456-']);
  });

  test('starts again when what an earlier process left is spoilt', async () => {
    await leavePart(new Uint8Array(1000).fill(9));
    await storeOf().pull('m', { signal: never });
    expect(pulled()).toBe(true);
    expect(server.ranges).toEqual(['bytes=1000-', undefined]);
  });

  test('starts again when what is left is longer than the file', async () => {
    await leavePart(new Uint8Array(300_001));
    await storeOf().pull('m', { signal: never });
    expect(pulled()).toBe(true);
  });

  test('needs no server when only the check was missing', async () => {
    await leavePart(bytes);
    await storeOf().pull('m', { signal: never });
    expect(pulled()).toBe(true);
    expect(server.ranges).toEqual([]);
  });

  test('works with a server that knows no ranges', async () => {
    server.hasRanges = false;
    await leavePart(bytes.subarray(0, 1000));
    await storeOf().pull('m', { signal: never });
    expect(pulled()).toBe(true);
  });

  test('without a known hash goes on only with the very same file', async () => {
    await leavePart(bytes.subarray(0, 1000), '"one"');
    await storeOf(unknown).pull('m', { signal: never });
    expect(pulled()).toBe(true);
    expect(server.ranges).toEqual(['bytes=1000-']);
    rmSync(target());
    await leavePart(new Uint8Array(1000), '"older"');
    await storeOf(unknown).pull('m', { signal: never });
    expect(pulled()).toBe(true);
    expect(leftovers()).toEqual(['m.gguf', 'm.gguf.sha256']);
  });

  test('takes the next source when the first fails', async () => {
    const sources: CatalogSource[] = [
      { kind: 'url', url: 'http://127.0.0.1:2/m.gguf' },
      { kind: 'url', url: server.url },
    ];
    await storeOf({ sources }).pull('m', { signal: never });
    expect(pulled()).toBe(true);
  });

  test('uses a file of the repository where it lies', async () => {
    writeFileSync(join(folder, 'here.gguf'), bytes);
    const store = storeOf({ ...unknown, sources: [{ kind: 'local', path: 'here.gguf' }] });
    expect(await store.list()).toMatchObject([{ state: 'ready', bytes: 300_000, cachedBytes: 0 }]);
    await expect(store.pull('m', { signal: never })).resolves.toEqual({ model: join(folder, 'here.gguf') });
    expect(existsSync(join(folder, 'cache'))).toBe(false);
  });
});

describe('two pulls at once', () => {
  test('download the file once, and the second tells the progress of the first', async () => {
    server.behaviour = (_, response) => {
      response.writeHead(200, { 'content-length': String(bytes.length) });
      response.write(bytes.subarray(0, 100_000));
      setTimeout(() => response.end(bytes.subarray(100_000)), 350);
      return 'handled';
    };
    const seen: PullProgress[] = [];
    const progress = (p: PullProgress) => seen.push(p);
    const first = storeOf().pull('m', { signal: never });
    await new Promise((done) => setTimeout(done, 50));
    await Promise.all([first, storeOf().pull('m', { signal: never, progress })]);
    expect(server.ranges).toEqual([undefined]);
    expect(seen.some(({ phase, bytesDone }) => phase === 'waiting' && bytesDone === 100_000)).toBe(true);
    expect(pulled()).toBe(true);
    expect(leftovers()).toEqual(['m.gguf', 'm.gguf.sha256']);
  });

  test('the lock of a process that died is put aside', async () => {
    await leavePart(bytes.subarray(0, 5));
    const { hostname } = await import('node:os');
    writeFileSync(`${target()}.lock`, JSON.stringify({ id: 'x', pid: 2 ** 22 + 5, host: hostname() }));
    await storeOf().pull('m', { signal: never });
    expect(pulled()).toBe(true);
    expect(leftovers()).toEqual(['m.gguf', 'm.gguf.sha256']);
  });

  test('the one that waits can be cancelled', async () => {
    await leavePart(bytes.subarray(0, 5));
    writeFileSync(`${target()}.lock`, JSON.stringify({ id: 'x', pid: process.pid, host: 'elsewhere' }));
    await expect(storeOf().pull('m', { signal: AbortSignal.timeout(300) })).rejects.toThrow('aborted');
  });
});

describe('a pull that fails says why and what to do', () => {
  const failures: { name: string; prepare: () => Partial<CatalogFile> | undefined; tried: RegExp }[] = [
    {
      name: 'other bytes than the catalog says',
      prepare: () => ({ sha256: '0'.repeat(64) }),
      tried: /gave other bytes than the catalog says \(sha256 [0-9a-f]{64}\)/,
    },
    { name: 'another size', prepare: () => ({ bytes: 4 }), tried: /has 300000 bytes instead of 4/ },
    {
      name: 'no such file',
      prepare: () => behave(status(404)),
      tried: /answered HTTP 404/,
    },
    {
      name: 'a login is wanted',
      prepare: () => behave(status(401)),
      tried: /accept the licence there, set HF_TOKEN/,
    },
    {
      name: 'a web page instead of the file',
      prepare: () => {
        behave((_, response) => {
          response.setHeader('content-type', 'text/html').end('<html>');
          return 'handled';
        });
        return unknown;
      },
      tried: /web page/,
    },
    {
      name: 'no network',
      prepare: () => ({ sources: [{ kind: 'url', url: 'http://127.0.0.1:2/m.gguf' }] }),
      tried: /127\.0\.0\.1:2 cannot be reached \(ECONNREFUSED\)/,
    },
    { name: 'a server that sends nothing', prepare: () => behave(() => 'handled'), tried: /sends/ },
    {
      name: 'a server that is broken',
      prepare: () => behave(status(503)),
      tried: /answered HTTP 503/,
    },
  ];
  test.each(failures)('$name', async ({ prepare, tried }) => {
    const store = storeOf(prepare() ?? {});
    const failure = await store.pull('m', { signal: never }).catch((error) => error);
    expect(failure).toMatchObject({ code: 'model_download_failed', details: { model: 'm', file: 'm.gguf' } });
    expect(failure.details.tried[0]).toMatch(tried);
    expect(failure.details.advice).toContain('tercet models pull m');
    expect(failure.details.advice).toContain(target());
    expect(existsSync(target())).toBe(false);
    expect(existsSync(`${target()}.lock`)).toBe(false);
  });

  test('an unknown name, with the names that there are', async () => {
    await expect(storeOf().pull('n', { signal: never })).rejects.toMatchObject({
      code: 'model_not_found',
      details: { known: ['m'] },
    });
  });

  test('a file that cannot fit, before a byte is asked for', async () => {
    const failure = await storeOf({ bytes: 2 ** 52 })
      .pull('m', { signal: never })
      .catch((error) => error);
    expect(failure).toMatchObject({ code: 'disk_full', details: { neededBytes: 2 ** 52 } });
    expect(failure.details.advice).toContain('TERCET_MODELS_DIR');
    expect(server.ranges).toEqual([]);
  });

  (existsSync('/dev/full') ? test : test.skip)('a disk that fills up on the way', async () => {
    await leavePart(new Uint8Array(0));
    rmSync(`${target()}.part`);
    symlinkSync('/dev/full', `${target()}.part`);
    await expect(storeOf().pull('m', { signal: never })).rejects.toMatchObject({ code: 'disk_full' });
  });

  test('a cancelled pull keeps what it has', async () => {
    server.behaviour = (_, response) => {
      response.writeHead(200, { 'content-length': String(bytes.length) });
      response.write(bytes.subarray(0, 60_000));
      return 'handled';
    };
    const stop = new AbortController();
    const progress = ({ bytesDone }: PullProgress) => bytesDone >= 60_000 && stop.abort();
    await expect(storeOf().pull('m', { signal: stop.signal, progress })).rejects.toThrow('aborted');
    expect(readFileSync(`${target()}.part`).length).toBe(60_000);
    server.behaviour = () => 'serve';
    await storeOf().pull('m', { signal: never });
    expect(server.ranges).toEqual([undefined, 'bytes=60000-']);
  });
});

describe('the cache', () => {
  test('knows what is ready, begun and absent, and frees it', async () => {
    const store = storeOf();
    const state = async () => (await store.list()).map(({ state, cachedBytes }) => [state, cachedBytes > 0]);
    expect(await state()).toEqual([['absent', false]]);
    await leavePart(bytes.subarray(0, 1000));
    expect(await state()).toEqual([['partial', true]]);
    await store.pull('m', { signal: never });
    expect(await state()).toEqual([['ready', true]]);
    expect(await store.remove('m')).toBeGreaterThanOrEqual(300_000);
    expect(await state()).toEqual([['absent', false]]);
  });

  test('takes a file that a person put there, when its hash is right', async () => {
    await mkdir(join(folder, 'cache/m'), { recursive: true });
    writeFileSync(target(), bytes);
    expect((await storeOf().list())[0]?.state).toBe('ready');
    rmSync(`${target()}.sha256`);
    writeFileSync(target(), new Uint8Array(bytes.length));
    expect((await storeOf().list())[0]?.state).toBe('partial');
  });

  test('drops a file when the catalog names a newer one', async () => {
    await storeOf().pull('m', { signal: never });
    server.body = bytes.map((value) => 255 - value);
    const newer = createHash('sha256').update(server.body).digest('hex');
    const store = storeOf({ sha256: newer });
    expect((await store.list())[0]?.state).toBe('partial');
    await store.pull('m', { signal: never });
    expect(Buffer.compare(readFileSync(target()), server.body)).toBe(0);
  });
});
