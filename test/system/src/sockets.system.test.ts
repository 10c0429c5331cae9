import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { circlePicture, squarePicture } from './pictures.js';
import { type PodState, RunningSystem } from './running-system.js';

const shmFolder = '/dev/shm';
const see = (url: string) => ({ type: 'image_url', image_url: { url } });
/** @param blue tells the pictures of one question from those of another, which an encode process would know again */
const ask = (text: string, blue: number, more: object = {}) => ({
  model: 'tercet-tiny',
  temperature: 0,
  max_tokens: 60,
  logprobs: true,
  messages: [
    {
      role: 'user',
      content: [see(squarePicture([30, 60, blue])), see(circlePicture([blue, 30, 30])), { type: 'text', text }],
    },
  ],
  ...more,
});

jest.setTimeout(60_000);

let mapped: RunningSystem;
let sockets: RunningSystem;
beforeAll(async () => {
  mapped = await RunningSystem.start(['--encode', '2']);
  sockets = await RunningSystem.start(['--encode', '2', '--no-shared-memory']);
}, 120_000);
afterAll(async () => {
  await mapped[Symbol.asyncDispose]();
  await sockets[Symbol.asyncDispose]();
}, 60_000);

describe("a machine whose processes cannot map each other's memory", () => {
  test.each([
    { text: 'Which image has a blue square?', blue: 200, more: {} },
    { text: 'Please describe what the picture shows.', blue: 210, more: { ignore_eos: true } },
    { text: 'Please describe what the picture shows.', blue: 220, more: { temperature: 1.2, seed: 11 } },
  ])('answers the same to the last bit: $text $more', async ({ text, blue, more }) => {
    await Promise.all([mapped, sockets].map((system) => system.until(areIdle)));
    const answers = await Promise.all(
      [mapped, sockets].map(async (system) => {
        const response = await system.post('/v1/chat/completions', ask(text, blue, more));
        return (await response.json()) as { choices: unknown[]; tercet: { pods: { encode: unknown[] } } };
      }),
    );
    expect(answers[1]?.choices).toEqual(answers[0]?.choices);
    expect(answers[1]?.tercet.pods.encode).toHaveLength(2);
  });

  (existsSync(shmFolder) ? test : test.skip)('has no memory that others could map', () => {
    expect(arenasOf(mapped)).not.toEqual([]);
    expect(arenasOf(sockets)).toEqual([]);
  });

  test('frees what it lent', async () => {
    await sockets.until(areIdle);
  });
});

/** Two encode processes, and one of each other stage, with nothing to do. */
function areIdle(pods: readonly PodState[]): boolean {
  return pods.length === 4 && pods.every((pod) => pod.running + pod.waiting + pod.leasesOpen === 0);
}

/** Files of shared memory that the stages of a system made; their names begin with the process id. */
function arenasOf(system: RunningSystem): string[] {
  const stages = ['encode-0', 'encode-1', 'prefill-0', 'decode-0'].map((podId) => system.pidOf(podId));
  return readdirSync(shmFolder).filter((name) => stages.some((pid) => name.startsWith(`tercet-${pid}-`)));
}
