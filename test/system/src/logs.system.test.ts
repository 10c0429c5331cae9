import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

jest.setTimeout(120_000);

const secret = 'Xylographer';
const picture = squarePicture([12, 34, 56]);
const traceId = randomBytes(16).toString('hex');
let system: RunningSystem;
let answer = '';

beforeAll(async () => {
  system = await RunningSystem.start(['--decode', '2']);
  answer = await answerDespiteKill();
  await failEveryWay();
}, 120_000);
afterAll(() => system[Symbol.asyncDispose](), 60_000);

describe('the log of a system that answered, failed and lost a process', () => {
  test('names request and trace where a request had to go on elsewhere', () => {
    const replan = system.log().find(({ event }) => event === 'request.replan');
    expect(replan).toMatchObject({ traceId, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  });

  test('has no prompt, no image and no answer in it', () => {
    const log = readFileSync(join(system.folder, 'tercet.log'), 'utf8');
    expect(answer.length).toBeGreaterThan(20);
    const base64 = picture.slice(picture.indexOf(',') + 1);
    for (const told of [secret, base64, base64.slice(0, 60), answer, answer.slice(0, 20)]) {
      expect(log.includes(told)).toBe(false);
    }
  });
});

/** A decode process dies in the middle of the answer. */
async function answerDespiteKill(): Promise<string> {
  const headers = { traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-01` };
  const body = JSON.stringify({ ...question(), max_tokens: 300, ignore_eos: true, stream: true });
  const response = await fetch(`${system.url}/v1/chat/completions`, { method: 'POST', headers, body });
  let text = '';
  let killed = false;
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (killed || text.length < 4000) continue;
    const busy = (await system.pods()).find(({ role, running }) => role === 'decode' && running > 0);
    if (busy === undefined) continue;
    process.kill(system.pidOf(busy.podId), 'SIGKILL');
    killed = true;
  }
  const chunks = text.split('\n\n').filter((event) => event.startsWith('data: {'));
  return chunks.map((event) => contentOf(JSON.parse(event.slice('data: '.length)))).join('');
}

function contentOf({ choices }: { choices: { delta: { content?: string } }[] }): string {
  return choices[0]?.delta.content ?? '';
}

/** Requests that are wrong in what they say, in every layer that could be tempted to quote them. */
async function failEveryWay(): Promise<void> {
  const broken = {
    type: 'image_url',
    image_url: { url: `data:image/png;base64,${Buffer.from(secret).toString('base64')}` },
  };
  const schema = { type: 'json_schema', json_schema: { name: 'x', schema: { pattern: `(${secret}` } } };
  for (const body of [
    `{"model": "tercet-tiny", "messages": "${secret}`,
    { ...question(), temperature: secret },
    { ...question(), model: 'nobody' },
    { ...question(), messages: [{ role: 'user', content: [broken, { type: 'text', text: secret }] }] },
    { ...question(), messages: [{ role: 'user', content: secret.repeat(5000) }] },
    { ...question(), response_format: schema },
  ]) {
    expect((await system.post('/v1/chat/completions', body)).ok).toBe(false);
  }
}

function question(): object {
  const content = [
    { type: 'image_url', image_url: { url: picture } },
    { type: 'text', text: `${secret}, what colour is the square?` },
  ];
  return { model: 'tercet-tiny', temperature: 0, messages: [{ role: 'user', content }] };
}
