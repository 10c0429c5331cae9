import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { tinyModel } from './lone-stage.js';
import { type Colour, quarteredPicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

const folder = mkdtempSync(join(tmpdir(), 'tercet-tiles-'));
const [red, green, blue, black]: readonly Colour[] = [
  [200, 30, 30],
  [20, 140, 40],
  [30, 60, 200],
  [20, 20, 20],
] as const;

jest.setTimeout(120_000);

let shared: RunningSystem;
let alone: RunningSystem;

beforeAll(async () => {
  const mmproj = join(folder, 'mmproj.gguf');
  writeFileSync(mmproj, splittingProjector(readFileSync(tinyModel.mmprojPath), 128));
  const started = (encoders: number) => {
    const stages = ['--encode', String(encoders), '--prefill', '1', '--decode', '1'];
    return RunningSystem.start(['--model', `${tinyModel.path}+${mmproj}`, ...stages]);
  };
  [shared, alone] = await Promise.all([started(2), started(1)]);
}, 120_000);
afterAll(async () => {
  await shared?.[Symbol.asyncDispose]();
  await alone?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
}, 60_000);

describe('a picture that is larger than the vision tower sees at once', () => {
  const picture = quarteredPicture([red, green, blue, black]);

  test('becomes tiles that two encoders share, and the text is that of one encoder', async () => {
    const one = await ask(alone, picture);
    expect(one.encoders).toEqual(['encode-0']);
    const two = await ask(shared, picture);
    expect(two.encoders).toEqual(['encode-0', 'encode-1']);
    expect(two.mediaTokens).toBe((2 * 2 + 1) * 16);
    expect(two.tokens).toHaveLength(40);
    expect(two.tokens).toEqual(one.tokens);
  });

  test('has its tiles in their places: with two quarters exchanged it gives other probabilities', async () => {
    const straight = await ask(shared, picture);
    const exchanged = quarteredPicture([red, blue, green, black]);
    const two = await ask(shared, exchanged);
    expect(two.tokens).not.toEqual(straight.tokens);
    expect(two.tokens).toEqual((await ask(alone, exchanged)).tokens);
  });
});

interface Answer {
  readonly encoders: readonly string[];
  readonly mediaTokens: number;
  /** Text and log probability of each token. */
  readonly tokens: readonly (readonly [string, number])[];
}

async function ask(system: RunningSystem, url: string): Promise<Answer> {
  const content = [
    { type: 'image_url', image_url: { url } },
    { type: 'text', text: 'Describe the picture.' },
  ];
  const response = await system.post('/v1/chat/completions', {
    model: 'tercet-tiny',
    temperature: 0,
    max_tokens: 40,
    ignore_eos: true,
    logprobs: true,
    messages: [{ role: 'user', content }],
  });
  const { choices, usage, tercet } = (await response.json()) as Completion;
  return {
    encoders: tercet.pods.encode.toSorted(),
    mediaTokens: usage.prompt_tokens_details.media_tokens,
    tokens: choices[0]?.logprobs.content.map(({ token, logprob }) => [token, logprob] as const) ?? [],
  };
}

interface Completion {
  readonly choices: readonly { logprobs: { content: { token: string; logprob: number }[] } }[];
  readonly usage: { readonly prompt_tokens_details: { readonly media_tokens: number } };
  readonly tercet: { readonly pods: { readonly encode: string[] } };
}

/** The same vision tower, told to bring pictures to a longer edge than its tiles have: then it splits them. */
function splittingProjector(file: Buffer, longestEdge: number): Buffer {
  const key = 'clip.vision.preproc_image_size';
  const typeAt = file.indexOf(key) + key.length;
  const uint32 = 4;
  expect(file.readUInt32LE(typeAt)).toBe(uint32);
  expect(file.readUInt32LE(typeAt + 4)).toBeLessThan(longestEdge);
  file.writeUInt32LE(longestEdge, typeAt + 4);
  return file;
}
