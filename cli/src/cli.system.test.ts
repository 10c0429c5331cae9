import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { runCli } from './testing/run-cli.js';
import { chunk, document, events, ScriptedGateway } from './testing/scripted-gateway.js';

const root = join(import.meta.dirname, '../..');
const png = Buffer.from('\x89PNG\r\n\x1a\n and the rest', 'latin1');
const models = document({ object: 'list', data: [{ id: 'tiny', object: 'model' }, { id: 'other' }] });
const timeline = {
  requestId: 'r1',
  ttftMs: 50,
  parts: { queueMs: 1, mediaFetchMs: 2, encodeMs: 20, mediaTransferMs: 1, prefillQueueMs: 1, prefillMs: 25 },
  handoverMs: 3.25,
  decodeMs: 1240,
  tokensPerSecond: 61.25,
  pods: { encode: ['encode-0', 'encode-1'], prefill: 'prefill-0', decode: 'decode-0' },
  cachedTokens: 16,
  mediaTokens: 64,
};
const answer = events(chunk('A red'), chunk(' square.'), chunk('', { tercet: timeline }, 'stop'));

let folder: string;
let gateway: ScriptedGateway;
beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), '--quiet']);
  folder = mkdtempSync(join(tmpdir(), 'tercet-cli-'));
  writeFileSync(join(folder, 'a.png'), png);
  writeFileSync(join(folder, 'notes.txt'), 'no picture');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  gateway = await ScriptedGateway.open({ '/v1/models': models, '/v1/chat/completions': answer });
});
afterEach(() => gateway[Symbol.asyncDispose]());
const asked = () => gateway.seen.filter(({ path }) => path === '/v1/chat/completions').map(({ body }) => body);
const chat = (args: readonly string[], options = {}) => runCli(['chat', '--url', gateway.url, ...args], options);

describe('help', () => {
  const commands = [
    [],
    ['chat'],
    ['models'],
    ['models', 'pull'],
    ['models', 'list'],
    ['models', 'rm'],
    ['top'],
    ['roles'],
    ['roles', 'list'],
    ['roles', 'set'],
    ['plan'],
    ['keys'],
    ['keys', 'list'],
    ['keys', 'create'],
    ['keys', 'revoke'],
    ['tenants'],
    ['tenants', 'list'],
    ['tenants', 'set'],
    ['batch'],
    ['batch', 'submit'],
    ['batch', 'list'],
    ['batch', 'results'],
    ['batch', 'cancel'],
    ['index'],
    ['index', 'create'],
    ['index', 'list'],
    ['index', 'ingest'],
    ['index', 'search'],
    ['index', 'backup'],
    ['index', 'restore'],
    ['index', 'delete'],
  ];
  test('is as written down, with examples', async () => {
    const texts = await Promise.all(commands.map((command) => runCli([...command, '--help'])));
    expect(texts.map(({ code }) => code)).toEqual(commands.map(() => 0));
    const whole = texts
      .map(({ out }, index) => `$ tercet ${[...commands[index]!, '--help'].join(' ')}\n${out}`)
      .join('\n');
    const golden = join(import.meta.dirname, 'testdata/help.txt');
    if (process.env.TERCET_UPDATE_GOLDEN === '1') writeFileSync(golden, whole);
    expect(whole).toBe(readFileSync(golden, 'utf8'));
  });

  test.each([
    { args: ['--version'], code: 0, out: /^\d+\.\d+\.\d+\n$/, err: /^$/ },
    { args: ['chta'], code: 2, out: /^$/, err: /unknown command 'chta'\n\(Did you mean chat\?\)\nSee `tercet --help`/ },
    { args: ['chat', '--sed', '1'], code: 2, out: /^$/, err: /Did you mean --seed\?\)\nSee `tercet chat --help`/ },
    { args: ['chat', '--seed', 'x', 'hi'], code: 2, out: /^$/, err: /Must be a whole number from 0 on/ },
    { args: ['chat', '-t', '2.5', 'hi'], code: 2, out: /^$/, err: /Must be a number from 0 to 2/ },
    { args: ['models', 'pull'], code: 2, out: /^$/, err: /missing required argument 'name'/ },
    { args: ['chat', '--url', 'nonsense', 'hi'], code: 2, out: /^$/, err: /'nonsense' is not an address/ },
  ])('$args ends with $code', async ({ args, code, out, err }) => {
    const result = await runCli(args);
    expect(result).toEqual({ code, out: expect.stringMatching(out), err: expect.stringMatching(err) });
  });
});

describe('chat', () => {
  test('prints the answer and nothing else on standard output', async () => {
    expect(await chat(['What', 'is this?'])).toEqual({ code: 0, out: 'A red square.\n', err: '' });
    expect(asked()).toEqual([
      {
        model: 'tiny',
        messages: [{ role: 'user', content: 'What is this?' }],
        stream: true,
        stream_options: { include_usage: true },
      },
    ]);
  });

  test('sends pictures, files and addresses, before the question', async () => {
    const file = join(folder, 'a.png');
    await chat(['-i', file, '--image', 'https://example.com/b.jpg', 'Compare.', '-m', 'm', '--seed', '7', '-t', '0']);
    const image = (url: string) => ({ type: 'image_url', image_url: { url } });
    const data = `data:image/png;base64,${png.toString('base64')}`;
    const text = { type: 'text', text: 'Compare.' };
    const content = [image(data), image('https://example.com/b.jpg'), text];
    expect(asked()).toMatchObject([{ model: 'm', seed: 7, temperature: 0, messages: [{ role: 'user', content }] }]);
    expect(gateway.seen.map(({ path }) => path)).toEqual(['/v1/chat/completions']);
  });

  test('asks the first model, with pictures the first that sees', async () => {
    const sees = { id: 'seeing', tercet: { acceptsImages: true } };
    gateway.answers['/v1/models'] = document({ data: [{ id: 'blind', tercet: { acceptsImages: false } }, sees] });
    await chat(['x']);
    await chat(['x', '-i', join(folder, 'a.png')]);
    expect(asked()).toMatchObject([{ model: 'blind' }, { model: 'seeing' }]);
  });

  test('shows the stage timeline beside the answer, without colours on a pipe', async () => {
    const { code, out, err } = await chat(['--timings', 'hi']);
    expect({ code, out }).toEqual({ code: 0, out: 'A red square.\n' });
    expect(err.split('\n').map((line) => line.trimEnd())).toEqual([
      'first token after 50.0 ms',
      '  queue            1.00 ms  ━',
      '  media fetch      2.00 ms   ━',
      '  encode           20.0 ms    ━━━━━━━━━━━━━                   encode-0, encode-1',
      '  media transfer   1.00 ms                 ━',
      '  prefill queue    1.00 ms                 ━',
      '  prefill          25.0 ms                  ━━━━━━━━━━━━━━━━  prefill-0',
      '  hand-over        3.25 ms',
      '  decode            1.24 s  61.3 tokens/s                     decode-0',
      '  64 media tokens, 16 cached tokens',
      '',
    ]);
  });

  test('has colours where they are asked for, never with NO_COLOR', async () => {
    const coloured = await chat(['--timings', 'hi'], { environment: { FORCE_COLOR: '1' } });
    expect(coloured.err).toContain('\u001b[');
    const plain = await chat(['--timings', 'hi'], { environment: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    expect(plain.err).not.toContain('\u001b[');
  });

  test('reads the question from standard input', async () => {
    await chat(['-'], { stdin: 'first line\nsecond line\n' });
    expect(asked()).toMatchObject([{ messages: [{ content: 'first line\nsecond line' }] }]);
    expect(await chat(['-'], { stdin: ' \n' })).toMatchObject({ code: 2, err: expect.stringContaining('empty') });
  });

  test('holds a conversation, with pictures where they are put', async () => {
    const stdin = ['hello', `/image '${join(folder, 'a.png')}'`, 'look', '/new', '', 'again', '/bye', 'no'].join('\n');
    const { code, out } = await chat(['--system', 'Be brief.'], { stdin });
    expect({ code, out }).toEqual({ code: 0, out: 'A red square.\n'.repeat(3) });
    const system = { role: 'system', content: 'Be brief.' };
    const assistant = { role: 'assistant', content: 'A red square.' };
    expect(asked().map((body) => (body as { messages: unknown[] }).messages)).toMatchObject([
      [system, { content: 'hello' }],
      [system, { content: 'hello' }, assistant, { content: [{ type: 'image_url' }, { type: 'text', text: 'look' }] }],
      [system, { content: 'again' }],
    ]);
  });

  test('a conversation goes on after a question that failed, and ends as the last one did', async () => {
    const failure = document({ error: { message: 'Every slot is taken', type: 'x', code: 'overloaded' } }, 429);
    gateway.answers['/v1/chat/completions'] = (response, request) =>
      gateway.seen.length === 2 ? failure(response, request) : answer(response, request);
    const { code, out, err } = await chat([], { stdin: 'one\ntwo\n' });
    expect({ code, out }).toEqual({ code: 0, out: 'A red square.\n' });
    expect(err).toContain('error: Every slot is taken [overloaded]\nthe server is full');
    expect(asked()[1]).toMatchObject({ messages: [{ content: 'two' }] });
  });

  test('Ctrl-C stops the answer, and the server learns of it', async () => {
    gateway.answers['/v1/chat/completions'] = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(chunk('It goes on'))}\n\n`);
    };
    const result = await chat(['count'], { interruptWhen: (out: string) => out.includes('goes on') });
    expect(result).toEqual({ code: 130, out: 'It goes on\n', err: '' });
    await gateway.clientGone;
  });

  test('says when the answer reached its longest length', async () => {
    gateway.answers['/v1/chat/completions'] = events(chunk('cut'), chunk('', {}, 'length'));
    expect((await chat(['x'])).err).toContain('--max-tokens');
  });

  test('sends the key of the environment', async () => {
    await chat(['x'], { environment: { TERCET_API_KEY: 'sesame' } });
    expect(gateway.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer sesame', 'Bearer sesame']);
  });
});

describe('chat says what went wrong and what to do', () => {
  const half = `data: ${JSON.stringify(chunk('half'))}\n\n`;
  const failures = [
    {
      name: 'a failure before the answer',
      reply: document({ error: { message: 'The image is broken', code: 'media_invalid' } }, 400),
      result: { code: 1, out: '', err: 'error: The image is broken [media_invalid]\n' },
    },
    {
      name: 'a failure in the middle of the answer',
      reply: events(chunk('half'), { error: { message: 'A stage failed', code: 'stage_failed' } }),
      result: { code: 1, out: 'half\n', err: 'error: A stage failed [stage_failed]\n' },
    },
    {
      name: 'an answer that ends too early',
      reply: ((response) => void response.writeHead(200).end(half)) as ReturnType<typeof events>,
      result: { code: 1, out: 'half\n', err: expect.stringContaining('ended the answer early') },
    },
    {
      name: 'a connection that breaks',
      reply: ((response) => {
        response.writeHead(200).write(half, () => setTimeout(() => response.destroy(), 30));
      }) as ReturnType<typeof events>,
      result: { code: 1, out: 'half\n', err: expect.stringMatching(/broke in the middle of the answer\nask again/) },
    },
    {
      name: 'a server of another kind',
      reply: ((response) => void response.writeHead(502).end('<html>')) as ReturnType<typeof events>,
      result: { code: 1, out: '', err: expect.stringMatching(/answered HTTP 502\nis this the address of a tercet/) },
    },
    {
      name: 'events that are no JSON',
      reply: ((response) => void response.writeHead(200).end('data: {oops\n\n')) as ReturnType<typeof events>,
      result: { code: 1, out: '', err: expect.stringContaining('no tercet gateway says') },
    },
  ];
  test.each(failures)('$name', async ({ reply, result }) => {
    gateway.answers['/v1/chat/completions'] = reply;
    expect(await chat(['x'])).toEqual(result);
  });

  test('no server', async () => {
    const result = await runCli(['chat', '--url', 'http://127.0.0.1:2', 'x']);
    const reason = { code: 3, out: '', err: expect.stringContaining('no server answers at http://127.0.0.1:2') };
    expect(result).toEqual(reason);
    expect(result.err).toContain('tercet up');
  });

  test.each([
    { file: 'missing.png', err: /cannot read the picture .*missing\.png: there is no such file/ },
    { file: '.', err: /cannot read the picture .*: it is a folder/ },
    { file: 'notes.txt', err: /notes\.txt is not a picture.*\[media_type_unsupported\]\nPNG, JPEG, WebP and GIF/ },
  ])('the picture $file, before anything is asked', async ({ file, err }) => {
    const result = await chat(['-i', join(folder, file), 'x']);
    expect(result).toEqual({ code: 1, out: '', err: expect.stringMatching(err) });
    expect(gateway.seen).toEqual([]);
  });
});

describe('top', () => {
  const pod = (podId: string, role: string, more = {}) => ({
    ...{ podId, role, epoch: 3, phase: 'ready', model: 'tiny', waiting: 1, running: 2 },
    ...{ kvBlocksUsed: 32, kvBlocksTotal: 128, stepMsMean: 12.34, residentBytes: 151_000_000, ...more },
  });
  beforeEach(() => {
    const drained = { phase: 'draining', kvBlocksTotal: 0, kvBlocksUsed: 0, stepMsMean: 0, residentBytes: 0 };
    const pods = [pod('decode-10', 'decode'), pod('decode-9', 'decode'), pod('encode-0', 'encode', drained)];
    gateway.answers['/tercet/pods'] = document({ pods });
    gateway.answers['/tercet/cluster'] = document({ pools: [] });
  });
  const top = (...args: string[]) => runCli(['top', '--url', gateway.url, ...args]);

  test('shows the pods by stage and number', async () => {
    expect(await top('--once')).toEqual({
      code: 0,
      err: '',
      out: [
        'POD        ROLE    EPOCH  PHASE     WAITING  RUNNING  KV CACHE          STEP  MEMORY  MODEL',
        'encode-0   encode      3  draining        1        2                                  tiny',
        'decode-9   decode      3  ready           1        2  ██       25 %  12.3 ms  151 MB  tiny',
        'decode-10  decode      3  ready           1        2  ██       25 %  12.3 ms  151 MB  tiny',
        '3 pods, 6 running, 3 waiting',
        '',
      ].join('\n'),
    });
  });

  test('shows what the controller decided last, what came of it and what is wrong', async () => {
    const before = { encode: 1, prefill: 1, decode: 2 };
    const target = { encode: 2, prefill: 1, decode: 1 };
    const shares = { expectedBefore: 0.61, expectedAfter: 0.92, realisedAfter: 0.9, counterfactual: 0.58 };
    const pool = {
      ...{ model: 'tiny', isCurrent: true, spec: { policy: 'recommend' }, split: target },
      ...{ problems: ['there are 4 pods'], recent: { spanMs: 60_000, requests: 120, met: 90 } },
      decisions: [{ id: 3, begunUnixMs: Date.UTC(2026, 1, 1), before, target, ...shares, state: 'kept' }],
      proposal: { kind: 'move', reason: 'better', target: before, expectedNow: 0.7, expectedThen: 0.8 },
    };
    gateway.answers['/tercet/cluster'] = document({ pools: [pool] });
    const { out } = await top('--once');
    expect(out.split('\n\n')[1]?.replace(/\d\d:\d\d:\d\d/, 'TIME')).toBe(
      [
        'tiny: 2E 1P 1D, recommend; 75 % of the last 120 requests met the objectives, 1.50 a second',
        'decision 3 at TIME: 1E 1P 2D to 2E 1P 1D, predicted 61 % to 92 %, kept: 90 %, without it 58 %',
        'recommends 1E 1P 2D, predicted 70 % to 80 %',
        'there are 4 pods',
        '',
      ].join('\n'),
    );
  });

  test('prints JSON, one document a line', async () => {
    const { out } = await top('--once', '--json');
    expect(JSON.parse(out).pods.map(({ podId }: { podId: string }) => podId)).toEqual([
      'decode-10',
      'decode-9',
      'encode-0',
    ]);
    const lines = ['top', '--json', '-n', '0.1', '--url', gateway.url];
    const many = await runCli(lines, { interruptWhen: (text) => text.split('\n').length > 3 });
    expect(many).toMatchObject({ code: 0, err: '' });
  });

  test('says when there is no server or no such view', async () => {
    expect(await runCli(['top', '--url', 'http://127.0.0.1:2'])).toMatchObject({ code: 3 });
    gateway.answers['/tercet/pods'] = document({ podz: [] });
    expect(await top('--once')).toMatchObject({ code: 1, err: expect.stringContaining('no tercet gateway says') });
  });
});
