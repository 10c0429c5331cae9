import { randomUUID } from 'node:crypto';
import { link, readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const beatMs = 5_000;
const deadAfterMs = 30_000;
const pollMs = 200;

interface Holder {
  readonly id: string;
  readonly pid: number;
  readonly host: string;
}

/**
 * Takes the lock file `path`, waiting while another holds it. The holder touches the file every few seconds; one that
 * died, by its process id on this host or by a beat that stopped, is put aside.
 * @param waiting called about five times a second while another holds the lock
 * @returns disposer that gives the lock back
 */
export async function lockFile(path: string, signal: AbortSignal, waiting: () => void): Promise<AsyncDisposable> {
  const holder: Holder = { id: randomUUID(), pid: process.pid, host: hostname() };
  while (!(await tryCreate(path, holder))) {
    signal.throwIfAborted();
    const other = await readHolder(path);
    if (other !== undefined && (await isDead(path, other))) {
      await putAside(path, other);
      continue;
    }
    waiting();
    await sleep(pollMs, undefined, { signal });
  }
  const beat = setInterval(() => void touch(path), beatMs);
  beat.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(beat);
      if ((await readHolder(path))?.id === holder.id) await unlink(path).catch(ignore);
    },
  };
}

async function tryCreate(path: string, holder: Holder): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(holder), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return { id: '', pid: 0, host: '' }; // just created and not written yet, or damaged: only its age can tell
  }
}

async function isDead(path: string, holder: Holder): Promise<boolean> {
  if (holder.host === hostname() && !isAlive(holder.pid)) return true;
  const age = await stat(path).then(({ mtimeMs }) => Date.now() - mtimeMs, ignore);
  return age !== undefined && age > deadAfterMs;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Moves a dead holder's lock away; when another took it over in between, that one's lock is put back. */
async function putAside(path: string, dead: Holder): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch(ignore);
  const moved = await readHolder(aside);
  if (moved !== undefined && moved.id !== dead.id) await link(aside, path).catch(ignore);
  await unlink(aside).catch(ignore);
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(ignore);
}

function ignore(): undefined {
  return undefined;
}
