import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { environment } from '@tercet/testing';
import { squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

const command = fileURLToPath(new URL('../../../cli/dist/main.js', import.meta.url));
const tiny = fileURLToPath(new URL('../../../models/tiny/tercet-tiny.gguf', import.meta.url));
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-start-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a start that cannot be says why in one line, and leaves nothing running', () => {
  const answering = (type: string, body: string) => () =>
    createHttpServer((_, response) => void response.writeHead(200, { 'Content-Type': type }).end(body));
  const holders: { who: string; open: () => Server }[] = [
    { who: 'a server that never answers', open: () => createServer((socket) => socket.resume()) },
    { who: 'a server of pages', open: answering('text/html', '<!doctype html><p>Hello.') },
    { who: 'a server that is ready for anything', open: answering('application/json', '{"ready":true,"missing":[]}') },
  ];
  test.each(holders.flatMap((holder) => ['--port', '--grpc-port'].map((option) => ({ ...holder, option }))))(
    '$option is held by $who',
    async ({ open, option }) => {
      await using holder = open().listen(0, '127.0.0.1');
      await once(holder, 'listening');
      await expectPortInUse([option, String((holder.address() as AddressInfo).port)]);
    },
    60_000,
  );

  test('both ports are held by another system', async () => {
    await using first = await RunningSystem.start();
    await expectPortInUse(['--port', new URL(first.url).port]);
    await expectPortInUse(['--grpc-port', String(first.grpcPort)]);
    expect((await first.post('/v1/chat/completions', question)).status).toBe(200);
  }, 120_000);

  test('a second system in the same folder', async () => {
    await using first = await RunningSystem.start();
    const { code, said } = await start(['--port', '0'], { TERCET_STATE: first.folder });
    expect(code).toBe(1);
    expect(lineOf(said)).toMatch(/already run/);
    const still = await first.post('/v1/chat/completions', question);
    expect(still.status).toBe(200);
  }, 90_000);

  const truncated = (bytes: number) => () => {
    const path = join(folder, `cut-${bytes}.gguf`);
    writeFileSync(path, readFileSync(tiny));
    truncateSync(path, bytes);
    return path;
  };
  const zeros = () => {
    const path = join(folder, 'zeros.gguf');
    closeSync(openSync(path, 'w'));
    truncateSync(path, 100_000);
    return path;
  };
  test.each([
    { what: 'a model that is not there', model: () => join(folder, 'none.gguf'), says: /none\.gguf/ },
    { what: 'an unknown name', model: () => 'gpt-9', says: /gpt-9/ },
    { what: 'a file that ends in its metadata', model: truncated(5000), says: /cut-5000|model file/i },
    { what: 'a file that ends in its weights', model: truncated(2_000_000), says: /cut-2000000|model file/i },
    { what: 'a file of zeros', model: zeros, says: /zeros|model file/i },
  ])(
    '$what',
    async ({ model, says }) => {
      const { code, said } = await start(['--port', '0', '--model', model()]);
      expect(code).not.toBe(0);
      expect(lineOf(said)).toMatch(says);
      expect(said).not.toMatch(/\n {4}at /);
    },
    60_000,
  );

  test('a model that was not tuned to chat is said to be none', async () => {
    // It has no vocabulary either, so the start ends there.
    const { said } = await start([
      '--model',
      fileURLToPath(new URL('../../../models/fixtures/llama.gguf', import.meta.url)),
    ]);
    expect(said).toContain('llama has no chat template: it continues text');
  }, 60_000);

  test('an option that there is not, and a value that cannot be', async () => {
    expect(await start(['--prefil', '2'])).toMatchObject({ code: 2, said: expect.stringContaining('--prefill') });
    expect(await start(['--decode', '0'])).toMatchObject({ code: 2, said: expect.stringContaining('--decode') });
  }, 60_000);
});

describe('a stop loses nothing', () => {
  test('a running answer is finished, and new ones are refused', async () => {
    await using system = await RunningSystem.start();
    const long = { ...question, max_tokens: 400, ignore_eos: true, stream: true };
    const response = await system.post('/v1/chat/completions', long);
    const reader = response.body?.getReader();
    let text = Buffer.from((await reader?.read())?.value ?? []).toString();
    system.stop();
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
      text += Buffer.from(part.value).toString();
    }
    expect(text.trimEnd()).toMatch(/data: \[DONE\]$/);
    expect(text).toContain('"finish_reason":"length"');
    const exitCode = await system.exited;
    expect(exitCode).toBe(0);
    await expect(system.post('/v1/chat/completions', question)).rejects.toThrow();
  }, 120_000);
});

const question = {
  model: 'tercet-tiny',
  temperature: 0,
  messages: [
    {
      role: 'user',
      content: [
        { type: 'image_url', image_url: { url: squarePicture([200, 30, 30]) } },
        { type: 'text', text: 'What shape is it?' },
      ],
    },
  ],
};

/** A start that claims nothing, and says which port it could not have. */
async function expectPortInUse(args: readonly [option: string, port: string]): Promise<void> {
  const { code, said, url } = await start(args);
  expect({ code, url, line: lineOf(said) }).toEqual({ code: 1, url: '', line: expect.stringMatching(/port_in_use/) });
  expect(lineOf(said)).toContain(args[1]);
  expect(said).not.toContain('ready');
}

/** Runs `tercet up` until it ends by itself. */
async function start(
  args: readonly string[],
  more: Record<string, string> = {},
): Promise<{ code: number | null; said: string; url: string }> {
  const state = mkdtempSync(join(folder, 'state-'));
  const ports = ['--port', '--grpc-port'].flatMap((option) => (args.includes(option) ? [] : [option, '0']));
  const env = { ...environment, TERCET_STATE: state, NO_COLOR: '1', ...more };
  const child = spawn(process.execPath, [command, 'up', ...ports, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let url = '';
  child.stderr.on('data', (data) => {
    said += String(data);
  });
  child.stdout.on('data', (data) => {
    url += String(data);
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 45_000);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  return { code, said, url };
}

/** The line that says what went wrong. */
function lineOf(said: string): string {
  return said.split('\n').find((line) => /^(error|tercet|✗)|error:/i.test(line)) ?? said;
}
