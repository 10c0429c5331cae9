import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TercetError } from '@tercet/contracts';

const pollMs = 5;

/**
 * One system per folder. The file names the process that runs it; one that is gone left it behind, and is no hindrance.
 * The file appears whole, by a link, so that nobody reads it before its process id stands in it. Only who holds the
 * mark of removal takes a dead one's file away, and looks again before: what another has taken since stays.
 * @throws already_running
 */
export async function lockInstance(folder: string): Promise<Disposable> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'supervisor.pid');
  const own = `${path}.${randomUUID()}`;
  writeFileSync(own, `${process.pid}\n`);
  try {
    while (!tryLink(own, path)) {
      const pid = readPid(path);
      if (pid === undefined) continue;
      if (isAlive(pid)) throw new TercetError('already_running', { pid, folder });
      if (!tryRemove(path, own)) await sleep(pollMs);
    }
    return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
  } finally {
    rmSync(own, { force: true });
  }
}

/** Takes the file of a process that is gone away. @returns false while another does that */
function tryRemove(path: string, own: string): boolean {
  const mark = `${path}.removal`;
  if (!tryLink(own, mark)) {
    const pid = readPid(mark);
    if (pid !== undefined && !isAlive(pid)) rmSync(mark, { force: true });
    return false;
  }
  const pid = readPid(path);
  if (pid !== undefined && !isAlive(pid)) rmSync(path, { force: true });
  rmSync(mark, { force: true });
  return true;
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** 0, which is nobody's, when no number stands in the file; undefined when there is none. */
function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return Number.isInteger(pid) ? pid : 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  if (pid < 1 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
