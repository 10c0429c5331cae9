import { expect, test } from '@jest/globals';
import { WorkerPool } from './worker-pool.js';

const script = new URL('./testdata/mortal-thread.mjs', import.meta.url);
const never = new AbortController().signal;
const size = { width: 1, height: 1 };

test.each([
  ['ends', []],
  ['has a bug', [255]],
])('a thread that %s fails its task only, and another takes its place', async (_name, file) => {
  await using pool = new WorkerPool({ workersMax: 1, waitingMax: 9, script });
  const asked = [[1], file, [3], file, [5]].map((each) => answerOf(pool, each));
  expect(await Promise.all(asked)).toEqual(['1', 'internal', '3', 'internal', '5']);
});

test('tasks run on all threads at a time, the rest waits in turn', async () => {
  await using pool = new WorkerPool({ workersMax: 2, waitingMax: 2, script });
  const asked = [[20], [20], [20], [20], [20]].map((each) => answerOf(pool, each));
  expect(await Promise.all(asked)).toEqual(['20', '20', '20', '20', 'overloaded']);
});

test('an aborted task gives its place in the queue away', async () => {
  await using pool = new WorkerPool({ workersMax: 1, waitingMax: 1, script });
  const abort = new AbortController();
  const asked = [answerOf(pool, [20]), answerOf(pool, [1], abort.signal)];
  abort.abort(new Error('gone'));
  asked.push(answerOf(pool, [3]), answerOf(pool, [4], abort.signal));
  expect(await Promise.all(asked)).toEqual(['20', 'gone', '3', 'gone']);
});

test('a file that cannot be sent fails alone', async () => {
  await using pool = new WorkerPool({ workersMax: 1, waitingMax: 1, script });
  const file = new Uint8Array([7]);
  structuredClone(file.buffer, { transfer: [file.buffer] });
  expect(await run(pool, file, never).catch((error: { code: string }) => error.code)).toBe('internal');
  expect(await answerOf(pool, [3])).toBe('3');
});

function answerOf(pool: WorkerPool, file: number[], signal = never): Promise<string> {
  return run(pool, Uint8Array.from(file), signal).then(
    (pixels) => pixels.join(),
    (error: Error & { code?: string }) => error.code ?? error.message,
  );
}

function run(pool: WorkerPool, file: Uint8Array, signal: AbortSignal): Promise<Float32Array> {
  const decode = { type: 'png', ...size, orientation: 1, secondsMax: 1 } as const;
  const cut = { bounded: size, resized: size, tileSize: 1, tiles: [], levels: new Float32Array(768) };
  return pool.run({ file, decode, cut }, signal);
}
