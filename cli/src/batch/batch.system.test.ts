import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { runCli } from '../testing/run-cli.js';
import { document, ScriptedGateway } from '../testing/scripted-gateway.js';

const line = { custom_id: 'a', method: 'POST', url: '/v1/embeddings', body: {} };
const batch = (more: object = {}) => ({
  id: 'batch_1',
  endpoint: '/v1/embeddings',
  status: 'completed',
  created_at: 1_700_000_000,
  request_counts: { total: 2, completed: 1, failed: 1 },
  output_file_id: 'file-out',
  error_file_id: 'file-err',
  errors: null,
  ...more,
});

let folder: string;
let input: string;
let gateway: ScriptedGateway;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-batch-'));
  input = join(folder, 'in.jsonl');
  writeFileSync(input, `\n${JSON.stringify(line)}\n`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  gateway = await ScriptedGateway.open({
    '/v1/files': document({ id: 'file-in' }),
    '/v1/batches': document(batch({ status: 'validating' })),
    '/v1/batches?limit=20': document({ data: [batch()] }),
    '/v1/batches/batch_1': document(batch()),
    '/v1/batches/batch_1/cancel': document(batch({ status: 'cancelling' })),
    '/v1/files/file-out/content': (response) => void response.end('{"answer":1}\n'),
    '/v1/files/file-err/content': (response) => void response.end('{"error":1}\n'),
  });
});
afterEach(() => gateway[Symbol.asyncDispose]());

const run = (...args: string[]) => runCli(['batch', ...args, '--url', gateway.url]);

describe('tercet batch', () => {
  test('submit uploads, names the endpoint of the lines, and tells how it ended', async () => {
    const { code, out, err } = await run('submit', input);
    expect({ code, out }).toEqual({ code: 0, out: 'batch_1\n' });
    expect(err).toBe(
      'validating …\ncompleted …\ncompleted: 1 of 2 lines answered; tercet batch results batch_1\n' +
        '1 failed; tercet batch results batch_1 --errors\n',
    );
    const asked = gateway.seen.find(({ path }) => path === '/v1/batches');
    expect(asked?.body).toEqual({ input_file_id: 'file-in', endpoint: '/v1/embeddings', completion_window: '24h' });
  });

  test('submit --detach does not wait', async () => {
    expect(await run('submit', input, '--detach')).toEqual({ code: 0, out: 'batch_1\n', err: '' });
  });

  test('submit says which line is wrong', async () => {
    const errors = { data: [{ code: 'duplicate_custom_id', message: 'Line 1 has the same custom_id.', line: 2 }] };
    gateway.answers['/v1/batches/batch_1'] = document(batch({ status: 'failed', errors }));
    const { code, err } = await run('submit', input);
    expect(code).toBe(1);
    expect(err).toContain('error: line 2: Line 1 has the same custom_id. [duplicate_custom_id]\n');
  });

  test.each([
    ['a file that is not there', 'none.jsonl', '', 2, /there is no file/],
    ['a file that is no JSON', 'no.jsonl', 'hello\n', 1, /first line .* is no request/],
    ['a file without a line', 'blank.jsonl', '\n\n', 1, /first line .* is no request/],
  ])('submit refuses %s', async (_, name, text, code, says) => {
    const path = join(folder, name);
    if (text !== '') writeFileSync(path, text);
    const result = await run('submit', path);
    expect(result).toMatchObject({ code, out: '', err: expect.stringMatching(says) });
    expect(gateway.seen).toEqual([]);
  });

  test('list shows what there is', async () => {
    const { code, out } = await run('list');
    expect(code).toBe(0);
    expect(out).toBe(
      'ID       STATE      LINES  ANSWERED  FAILED  CREATED\n' +
        'batch_1  completed      2         1       1  2023-11-14 22:13\n',
    );
    const json = await run('list', '--json');
    expect(JSON.parse(json.out)).toMatchObject({ batches: [{ id: 'batch_1', status: 'completed' }] });
  });

  test('results prints answers or failures, once it is over', async () => {
    expect(await run('results', 'batch_1')).toEqual({ code: 0, out: '{"answer":1}\n', err: '' });
    expect((await run('results', 'batch_1', '--errors')).out).toBe('{"error":1}\n');
    gateway.answers['/v1/batches/batch_1'] = document(batch({ status: 'in_progress' }));
    expect(await run('results', 'batch_1')).toMatchObject({ code: 1, err: expect.stringContaining('not over') });
  });

  test('cancel tells the state', async () => {
    expect(await run('cancel', 'batch_1')).toEqual({ code: 0, out: '', err: 'batch_1 cancelling\n' });
  });
});
