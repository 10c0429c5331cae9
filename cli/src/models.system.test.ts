import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { runCli } from './testing/run-cli.js';
import { ScriptedGateway } from './testing/scripted-gateway.js';

const root = join(import.meta.dirname, '../..');

let folder: string;
let gateway: ScriptedGateway;
beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), '--quiet']);
  folder = mkdtempSync(join(tmpdir(), 'tercet-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  gateway = await ScriptedGateway.open({});
});
afterEach(() => gateway[Symbol.asyncDispose]());

describe('models', () => {
  const bytes = Buffer.alloc(5000, 'weights');
  const run = (...args: string[]) => {
    const environment = { TERCET_MODELS_DIR: join(folder, 'cache'), TERCET_CATALOG: join(folder, 'catalog.json') };
    return runCli(['models', ...args], { environment });
  };
  beforeEach(() => {
    gateway.answers['/m.gguf'] = (response) => void response.end(bytes);
    const file = {
      role: 'model',
      name: 'm.gguf',
      bytes: 5000,
      sources: [{ kind: 'url', url: `${gateway.url}/m.gguf` }],
    };
    const model = { name: 'small', kind: 'chat', licence: 'MIT', licenceUrl: 'https://example.com/mit', files: [file] };
    const gone = { ...file, sources: [{ kind: 'url', url: `${gateway.url}/gone` }] };
    const catalog = { models: [model, { name: 'gone', kind: 'embedding', licence: 'Gemma', files: [gone] }] };
    writeFileSync(join(folder, 'catalog.json'), JSON.stringify(catalog));
    rmSync(join(folder, 'cache'), { recursive: true, force: true });
  });

  test('are listed, pulled with their licence, and removed', async () => {
    const table = (here: string) =>
      [
        'NAME   KIND         SIZE  HERE  LICENCE',
        `small  chat       5.0 kB  ${here}   MIT`,
        'gone   embedding  5.0 kB  no    Gemma',
        '',
      ].join('\n');
    expect(await run('list')).toEqual({ code: 0, out: table('no '), err: '' });
    expect(await run('pull', 'small')).toEqual({
      code: 0,
      out: '',
      err: [
        'small, licence MIT, https://example.com/mit',
        '  m.gguf, 5.0 kB …',
        '  m.gguf, 5.0 kB, checksum unknown, not verified',
        'ready: tercet up --model small',
        '',
      ].join('\n'),
    });
    expect(readFileSync(join(folder, 'cache/small/m.gguf')).equals(bytes)).toBe(true);
    expect((await run()).out).toBe(table('yes'));
    expect(JSON.parse((await run('list', '--json')).out)).toMatchObject({
      folder: join(folder, 'cache'),
      models: [
        { name: 'small', state: 'ready', bytes: 5000 },
        { name: 'gone', state: 'absent' },
      ],
    });
    expect((await run('rm', 'small')).err).toMatch(/^small removed, 5\.\d kB free again\n$/);
    expect(existsSync(join(folder, 'cache/small'))).toBe(false);
    expect((await run('rm', 'small')).err).toBe('small was not in the cache\n');
  });

  test('are said to be checked only where the catalog has a checksum', async () => {
    const catalog = JSON.parse(readFileSync(join(folder, 'catalog.json'), 'utf8'));
    catalog.models[0].files[0].sha256 = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(folder, 'catalog.json'), JSON.stringify(catalog));
    expect((await run('pull', 'small')).err).toContain('m.gguf, 5.0 kB, checked\n');
  });

  test('a pull that fails tells each source, and the way by hand', async () => {
    const { code, err } = await run('pull', 'gone');
    expect(code).toBe(1);
    expect(err).toContain('error: the model could not be downloaded (model: gone, file: m.gguf)\n  - 127.0.0.1');
    expect(err).toContain('answered HTTP 404 [model_download_failed]\ncheck the connection');
    expect(err).toContain(`and put it at ${join(folder, 'cache/gone/m.gguf')}`);
  });

  test('an unknown name tells the known ones, before anything is pulled', async () => {
    const { code, err } = await run('pull', 'small', 'smal');
    expect({ code, err }).toEqual({
      code: 1,
      err: 'error: there is no such model (model: smal) [model_not_found]\nknown models: small, gone\n',
    });
    expect(gateway.seen).toEqual([]);
  });
});
