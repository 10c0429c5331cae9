import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CatalogModel, loadCatalog, modelOf } from './catalog.js';
import { modelsConfig } from './config.js';
import { ModelStore } from './model-store.js';
import { resolveModel } from './resolve-model.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-catalog-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const good = {
  name: 'm',
  kind: 'chat',
  licence: 'MIT',
  files: [{ role: 'model', name: 'm.gguf', sources: [{ kind: 'local', path: 'm.gguf' }] }],
};
const load = (models: unknown) => {
  const file = join(folder, 'catalog.json');
  writeFileSync(file, typeof models === 'string' ? models : JSON.stringify({ models }));
  return loadCatalog(file);
};
const file = (changes: object) => [{ ...good, files: [{ ...good.files[0], ...changes }] }];

describe('a catalog', () => {
  test('is read with its folder', () => {
    expect(load([good])).toEqual({ folder, models: [good] });
  });

  test.each([
    { name: 'no JSON', models: '{', says: /JSON/ },
    { name: 'two models of one name', models: [good, good], says: /two models have one name/ },
    { name: 'a file name with a folder', models: file({ name: '../m.gguf' }), says: /a file name without a folder/ },
    { name: 'a model name that is a path', models: [{ ...good, name: '../m' }], says: /small letters/ },
    { name: 'a hash that is none', models: file({ sha256: 'abc' }), says: /64 hexadecimal digits/ },
    {
      name: 'a source that is no web address',
      models: file({ sources: [{ kind: 'url', url: 'file:///etc' }] }),
      says: /url/i,
    },
    { name: 'no source', models: file({ sources: [] }), says: /sources/ },
    { name: 'no licence', models: [{ ...good, licence: '' }], says: /licence/ },
    { name: 'an unknown key', models: [{ ...good, license: 'MIT' }], says: /license/ },
    { name: 'no model file', models: file({ role: 'mmproj' }), says: /one file has the role model/ },
    {
      name: 'a package name that pip would take for an option',
      models: file({ sources: [{ kind: 'pypi', package: '--index-url', version: '1', path: 'x' }] }),
      says: /package/,
    },
  ])('with $name is refused, and says where', ({ models, says }) => {
    expect(() => load(models)).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(says) }),
    );
  });

  test('names the models that there are when one is unknown', () => {
    expect(() => modelOf(load([good]), 'x')).toThrow(
      expect.objectContaining({ code: 'model_not_found', details: { model: 'x', known: ['m'] } }),
    );
  });

  const own = modelsConfig({}).catalogFile;
  (existsSync(own) ? test : test.skip)('of this repository is valid, with local files in place', () => {
    const catalog = loadCatalog(own);
    const missing = catalog.models
      .flatMap(({ files }) => files)
      .flatMap(({ sources }) => sources)
      .filter((source) => source.kind === 'local' && !existsSync(join(catalog.folder, source.path)));
    expect(missing).toEqual([]);
  });
});

describe('a model is found', () => {
  const put = (name: string) => writeFileSync(join(folder, name), 'GGUF');
  const store = (models: unknown) => new ModelStore({ catalog: load(models), folder: join(folder, 'cache') });
  const two = {
    ...good,
    files: [...good.files, { role: 'mmproj', name: 'v.gguf', sources: [{ kind: 'local', path: 'v.gguf' }] }],
  };

  test('by its name, with its vision tower', async () => {
    put('m.gguf');
    put('v.gguf');
    await expect(resolveModel('m', store([two]))).resolves.toEqual({
      name: 'm',
      model: join(folder, 'm.gguf'),
      mmproj: join(folder, 'v.gguf'),
    });
    rmSync(join(folder, 'v.gguf'));
  });

  test('by its name only when it is here, else with what to run', async () => {
    const absent = [
      { ...good, files: [{ ...good.files[0], sources: [{ kind: 'url', url: 'http://127.0.0.1:2/m' }] }] },
    ];
    await expect(resolveModel('m', store(absent as CatalogModel[]))).rejects.toMatchObject({
      code: 'model_file_missing',
      details: { advice: 'run `tercet models pull m`' },
    });
  });

  test('by a path, with the tower beside it', async () => {
    put('m.gguf');
    const path = join(folder, 'm.gguf');
    await expect(resolveModel(path, store([good]))).resolves.toEqual({ name: 'm', model: path });
    put('mmproj-other.gguf');
    await expect(resolveModel(path, store([good]))).resolves.toMatchObject({
      mmproj: join(folder, 'mmproj-other.gguf'),
    });
    await expect(resolveModel(`${folder}/`, store([good]))).resolves.toMatchObject({ name: 'm', model: path });
    put('n.gguf');
    await expect(resolveModel(path, store([good]))).resolves.toEqual({ name: 'm', model: path });
    put('mmproj-m.gguf');
    await expect(resolveModel(path, store([good]))).resolves.toMatchObject({ mmproj: join(folder, 'mmproj-m.gguf') });
    await expect(resolveModel(`${folder}/`, store([good]))).rejects.toThrow('several models');
    await expect(resolveModel('./no.gguf', store([good]))).rejects.toMatchObject({ code: 'model_file_missing' });
  });
});

test.each([
  { environment: { HOME: '/h' }, folder: '/h/.cache/tercet/models' },
  { environment: { HOME: '/h', XDG_CACHE_HOME: '/x' }, folder: '/x/tercet/models' },
  { environment: { HOME: '/h', XDG_CACHE_HOME: '/x', TERCET_MODELS_DIR: '/m' }, folder: '/m' },
])('the cache of $environment is $folder', ({ environment, folder }) => {
  expect(modelsConfig(environment).folder).toBe(folder);
});
