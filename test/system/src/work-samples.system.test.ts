import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, jest, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import { squarePicture } from './pictures.js';
import { RunningSystem } from './running-system.js';

jest.setTimeout(90_000);

test('load reports tell once what each step of a request computed, and how long it took', async () => {
  await using system = await RunningSystem.start(['--encode', '1', '--prefill', '1', '--decode', '1']);
  const stop = new AbortController();
  const steps: wire.WorkSample[] = [];
  let reports = 0;
  const heard = new Set<string>();
  const onReport = ({ podId, work }: wire.LoadReport) => {
    reports++;
    heard.add(podId);
    steps.push(...work);
  };
  const channels = ['encode-0', 'prefill-0', 'decode-0'].map((name) => {
    return GrpcChannel.open(`unix:${join(system.folder, 'run', `${name}.sock`)}`);
  });
  const watched = Promise.allSettled(channels.map((channel) => watch(channel, onReport, stop.signal)));
  await until(() => heard.size === 3);
  const image = { type: 'image_url', image_url: { url: squarePicture([200, 30, 30]) } };
  const messages = [{ role: 'user', content: [image, { type: 'text', text: 'What colour is the square?' }] }];
  const body = { model: 'tercet-tiny', temperature: 0, max_tokens: 40, ignore_eos: true, messages };
  const { usage } = (await (await system.post('/v1/chat/completions', body)).json()) as { usage: Usage };
  await until(() => steps.length >= 41);
  const told = reports;
  await until(() => reports >= told + 3);
  stop.abort();
  await watched;
  for (const channel of channels) channel.close();
  const of = (name: string) => steps.flatMap(({ step }) => (step?.$case === name ? [step.value] : []));
  const { prompt_tokens: tokens, completion_tokens: answered } = usage;
  expect(of('encode')).toEqual([{ patches: 64 }]);
  expect(of('prefill')).toEqual([{ tokens, squares: tokens ** 2 }]);
  expect(of('decode')).toEqual(
    Array.from({ length: answered - 1 }, (_, i) => ({ batch: 1, contextTokens: tokens + 1 + i })),
  );
  expect(answered).toBe(40);
  expect(steps.every(({ ms }) => ms > 0 && ms < 60_000)).toBe(true);
});

interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
}

async function watch(
  channel: GrpcChannel,
  onReport: (report: wire.LoadReport) => void,
  signal: AbortSignal,
): Promise<void> {
  const reports = channel.client(wire.WorkerDefinition).watchLoad({ intervalMs: 50 }, { signal });
  for await (const report of reports) onReport(report);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}
