// The real set: long descriptions of Debian packages as documents, short ones as queries, which are texts of another
// sort and have one document each that they belong to. Texts come from apt's own client in a folder of its own, vectors
// from our embedder and MiniLM; all of it is kept in a cache.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Prng } from '@tercet/base';
import { GgmlEmbedder } from '@tercet/ggml';
import { loadCatalog, ModelStore, modelsConfig, resolveModel } from '@tercet/models';
import { tokenizerOf } from '@tercet/text';
import { indexCache, readFloats } from './cache.js';
import type { VectorSet } from './vector-set.js';

const modelName = 'all-minilm-l6-v2';
const dim = 384;
const documents = 25_600;
const queries = 1000;
const bodyCharactersMin = 80;
const tokensMax = 64;
const seed = 7;
const never = new AbortController().signal;

interface Package {
  readonly name: string;
  readonly synopsis: string;
  readonly body: string;
}

/** The set, made where it is not yet: some minutes. @returns why there is none on a machine without apt */
export async function debianSet(say: (line: string) => void): Promise<VectorSet | string> {
  const folder = join(indexCache, 'deb384');
  if (!existsSync(join(folder, 'queries.f32'))) {
    const packages = readPackages(say);
    if (typeof packages === 'string') return packages;
    mkdirSync(folder, { recursive: true });
    const chosen = packages.slice(0, documents);
    await embedTo(
      join(folder, 'documents.f32'),
      chosen.map(({ name, body }) => documentOf(name, body)),
      say,
    );
    await embedTo(
      join(folder, 'queries.f32'),
      chosen.slice(0, queries).map(({ synopsis }) => synopsis),
      say,
    );
    writeFileSync(join(folder, 'texts.jsonl'), chosen.map((each) => `${JSON.stringify(each)}\n`).join(''));
  }
  const base = readFloats(join(folder, 'documents.f32'));
  return { name: 'deb384', dim, folder, base, queries: readFloats(join(folder, 'queries.f32')) };
}

function documentOf(name: string, body: string): string {
  return `${name.replaceAll('-', ' ')}. ${body}`;
}

/** Packages with a description of their own, in a random order that the seed gives. */
function readPackages(say: (line: string) => void): readonly Package[] | string {
  const state = join(indexCache, 'apt');
  for (const each of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(state, each), { recursive: true });
  const options = [`Dir::State::lists=${state}/lists`, `Dir::Cache=${state}/cache`, 'Acquire::Languages=en'];
  const flags = options.flatMap((option) => ['-o', option]);
  let text = '';
  try {
    say('package descriptions: apt-get update in a folder of its own …');
    execFileSync('apt-get', ['update', '-qq', ...flags], { stdio: ['ignore', 'ignore', 'ignore'] });
    const format = ['--format', '$(FILENAME)', 'Created-By: Translations'];
    const files = execFileSync('apt-get', ['indextargets', ...flags, ...format], { encoding: 'utf8' });
    for (const file of files.split('\n').filter((each) => each !== '')) {
      const maxBuffer = 1 << 28;
      text += `${execFileSync('/usr/lib/apt/apt-helper', ['cat-file', file], { encoding: 'utf8', maxBuffer })}\n`;
    }
  } catch (error) {
    return `apt gives no package descriptions: ${(error as Error).message}`;
  }
  const packages = parsePackages(text);
  if (packages.length < documents) return `apt knows ${packages.length} packages; ${documents} are needed`;
  return shuffled(packages);
}

function parsePackages(text: string): Package[] {
  const packages = new Map<string, Package>();
  for (const paragraph of text.split('\n\n')) {
    const name = /^Package: (.+)$/m.exec(paragraph)?.[1];
    const description = /^Description-en: (.*)\n((?: .*(?:\n|$))*)/m.exec(paragraph);
    if (name === undefined || description === null) continue;
    const [, synopsis = '', lines = ''] = description;
    const body = lines.replaceAll(/^ \.?/gm, '').replaceAll(/\s+/g, ' ').trim();
    if (body.length >= bodyCharactersMin) packages.set(body, { name, synopsis, body });
  }
  return [...packages.values()];
}

function shuffled<T>(items: readonly T[]): T[] {
  const prng = new Prng(seed);
  const keyed = items.map((item) => ({ item, key: prng.nextUint32() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

async function embedTo(path: string, texts: readonly string[], say: (line: string) => void): Promise<void> {
  const { folder, catalogFile } = modelsConfig();
  const model = await resolveModel(modelName, new ModelStore({ catalog: loadCatalog(catalogFile), folder }));
  await using embedder = GgmlEmbedder.open({ modelName, modelPath: model.model, contextTokensMax: tokensMax });
  const tokenizer = tokenizerOf(embedder.gguf);
  const marker = (name: string) => tokenizer.tokenIdOf(name) ?? 0;
  const [start, end] = [marker('[CLS]'), marker('[SEP]')];
  const out = new Float32Array(texts.length * dim);
  for (const [i, text] of texts.entries()) {
    const ids = tokenizer.encode([{ text, trusted: false }]).slice(0, tokensMax - 2);
    const tokenIds = Uint32Array.from([start, ...ids, end]);
    out.set(await embedder.embed({ tokenIds, threads: 1 }, never), i * dim);
    if (i % 1000 === 999) say(`${i + 1} of ${texts.length} texts embedded`);
  }
  writeFileSync(`${path}.part`, new Uint8Array(out.buffer));
  renameSync(`${path}.part`, path);
}
