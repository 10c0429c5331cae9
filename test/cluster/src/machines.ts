import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startedCluster } from './config.js';

/** The machine is gone, as when its power fails. */
export function switchOff(machine: string): void {
  for (const pid of childrenOf(firstProcess(machine))) process.kill(pid, 'SIGKILL');
}

/** The API server answers nobody until the result is called. */
export function silenceApiServer(): () => void {
  const pid = descendants(firstProcess('control-plane')).find((id) => nameOf(id) === 'kube-apiserver');
  if (pid === undefined) throw new Error('no kube-apiserver in the control plane');
  process.kill(pid, 'SIGSTOP');
  return () => process.kill(pid, 'SIGCONT');
}

function firstProcess(machine: string): number {
  return Number(readFileSync(join(startedCluster().state, `${machine}.pid`), 'utf8'));
}

function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);
}

function childrenOf(pid: number): number[] {
  if (!existsSync(`/proc/${pid}/task`)) return [];
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  );
}

function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0]?.split('/').at(-1) ?? '';
}
