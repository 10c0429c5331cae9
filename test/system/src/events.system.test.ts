import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, jest, test } from '@jest/globals';
import type { wire } from '@tercet/contracts';
import { FileEventLog } from '@tercet/event-logs';
import { squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

jest.setTimeout(90_000);

const clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };

test('a request leaves its outcome and its steps in the event log of the system', async () => {
  await using system = await RunningSystem.start(['--encode', '1', '--prefill', '1', '--decode', '1']);
  await using log = new FileEventLog({ path: join(system.folder, 'events.db'), producer: 'test', clock });
  const loads: wire.LoadReport[] = [];
  const reports: wire.OutcomesReport[] = [];
  const stop = new AbortController();
  const onEvent = async ({ key, event: { body } }: { key: string; event: wire.Event }) => {
    if (body?.$case === 'load') loads.push(body.value);
    if (body?.$case === 'outcomes') reports.push(body.value);
    expect(key).toBe(body?.$case === 'outcomes' ? 'gateway' : loads.at(-1)?.podId);
  };
  const reading = log.subscribe({ topics: ['load'], group: 'test', from: 'earliest', onEvent }, stop.signal);
  const image = { type: 'image_url', image_url: { url: squarePicture([200, 30, 30]) } };
  const messages = [{ role: 'user', content: [image, { type: 'text', text: 'What colour is the square?' }] }];
  const body = { model: 'tercet-tiny', temperature: 0, max_tokens: 12, ignore_eos: true, messages };
  const { usage } = (await (await system.post('/v1/chat/completions', body)).json()) as { usage: Usage };
  const refused = await system.post('/v1/chat/completions', {
    ...body,
    messages: [{ role: 'user', content: 'word '.repeat(5000) }],
  });
  expect(refused.status).toBe(400);
  const outcomes = () => reports.flatMap((report) => report.outcomes);
  const steps = () => loads.flatMap(({ work }) => work.map(({ step }) => step?.$case));
  const stepsOf = (kind: string) => steps().filter((name) => name === kind).length;
  // Each pod reports once a second, on its own beat.
  await until(() => outcomes().length === 2 && stepsOf('decode') >= 11 && stepsOf('encode') * stepsOf('prefill') > 0);
  stop.abort();
  await reading;
  expect(outcomes()).toMatchObject([
    {
      images: 1,
      patches: 64,
      promptTokens: usage.prompt_tokens,
      cachedTokens: 0,
      outputTokens: 12,
      ttftMs: expect.any(Number),
      tpotMs: expect.any(Number),
      ended: 'ok',
    },
    { images: 0, ended: 'prompt_too_long', ttftMs: undefined },
  ]);
  expect(reports.every(({ gatewayId, model }) => gatewayId === 'gateway' && model === 'tercet-tiny')).toBe(true);
  expect(reports.reduce((sum, { arrivals }) => sum + arrivals, 0)).toBe(2);
  expect(new Set(loads.map(({ podId }) => podId))).toEqual(new Set(['encode-0', 'prefill-0', 'decode-0']));
  expect(new Set(steps())).toEqual(new Set(['encode', 'prefill', 'decode']));
});

test('a log that is damaged is said once, and requests do not feel it', async () => {
  await using system = await RunningSystem.start(['--encode', '1', '--prefill', '1', '--decode', '1'], {
    files: {
      'events.db': 'a diary, not a database, and long enough to tell. '.repeat(100),
    },
  });
  const refusals = () => system.log().filter(({ event }) => event === 'events.refused');
  await until(() => refusals().length >= 4);
  const body = { model: 'tercet-tiny', max_tokens: 4, messages: [{ role: 'user', content: 'Hello' }] };
  expect((await system.post('/v1/chat/completions', body)).status).toBe(200);
  await sleep(2500);
  expect(refusals().map(({ error }) => (error as { code: string }).code)).toEqual(Array(4).fill('event_log_corrupt'));
});

interface Usage {
  readonly prompt_tokens: number;
}

/** The test's own time limit ends a wait in vain. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}
