import type { MessagePort } from 'node:worker_threads';
import type { Event } from './protocol.js';

const patienceMs = 30_000;

/** Waits until the thread that owns the memory of this process has allocated an arena. @returns its address */
export function arenaOfOwner(port: MessagePort, bytes: number): number {
  const answer = new SharedArrayBuffer(16);
  port.postMessage({ kind: 'allocate', bytes, answer } satisfies Event);
  const words = new BigInt64Array(answer);
  if (Atomics.wait(words, 0, 0n, patienceMs) === 'timed-out') throw new Error('the owner gave no memory');
  return Number(Atomics.load(words, 1));
}

export function answerArena(answer: SharedArrayBuffer, address: number): void {
  const words = new BigInt64Array(answer);
  Atomics.store(words, 1, BigInt(address));
  Atomics.store(words, 0, 1n);
  Atomics.notify(words, 0);
}
