import { setTimeout as sleep } from 'node:timers/promises';
import { expect, jest, test } from '@jest/globals';
import { type PodState, RunningSystem } from './running-system.js';

jest.setTimeout(120_000);

const twoPrefills = ['--encode', '1', '--prefill', '2', '--decode', '1', '--controller', 'manual'];

test('a long prompt that comes again goes to the pod that has it, and elsewhere when that is gone', async () => {
  await using system = await RunningSystem.start(twoPrefills);
  await system.until(bothPrefill);
  const first = await ask(system, story(1));
  expect(first).toMatchObject({ cachedTokens: 0, route: { reason: 'load', expectedTokens: 0 } });
  const second = await ask(system, story(2));
  expect(second.prefill).not.toBe(first.prefill);
  for (let again = 0; again < 4; again++) {
    for (const [seed, { prefill }] of [first, second].entries()) {
      const { cachedTokens, ...repeated } = await ask(system, story(seed + 1));
      expect(cachedTokens).toBeGreaterThan(500);
      expect(repeated).toMatchObject({ prefill, route: { reason: 'prefix', expectedTokens: cachedTokens } });
    }
  }
  const known = await factsKnown(system);
  expect(known).toBeGreaterThan(60);

  process.kill(system.pidOf(first.prefill), 'SIGKILL');
  const elsewhere = await ask(system, story(1));
  expect(elsewhere).toMatchObject({ prefill: second.prefill, text: first.text, cachedTokens: 0 });
  await system.until(bothPrefill, 30_000);
  const there = await ask(system, story(1));
  expect(there).toMatchObject({ prefill: second.prefill, text: first.text, route: { reason: 'prefix' } });
  const fresh = await ask(system, story(3));
  expect(fresh).toMatchObject({
    prefill: first.prefill,
    cachedTokens: 0,
    route: { reason: 'load', expectedTokens: 0 },
  });
  const learnt = await ask(system, story(3));
  expect(learnt).toMatchObject({ prefill: first.prefill, route: { reason: 'prefix' } });
  expect(learnt.cachedTokens).toBe(learnt.route.expectedTokens);
  expect(await metric(system, 'tercet_route_tokens_total', 'result="missing"')).toBe(0);
});

test('by load alone, what is cached decides nothing', async () => {
  const settings = { TERCET__GATEWAY__ROUTING__POLICY: 'load' };
  await using system = await RunningSystem.start(twoPrefills, { settings });
  await system.until(bothPrefill);
  const answers = [await ask(system, story(1)), await ask(system, story(1)), await ask(system, story(1))];
  expect(answers.map(({ route }) => route)).toEqual([{ reason: 'load' }, { reason: 'load' }, { reason: 'load' }]);
  expect(await factsKnown(system)).toBe(0);
});

function bothPrefill(pods: readonly PodState[]): boolean {
  return pods.filter(({ role, phase }) => role === 'prefill' && phase === 'ready').length === 2;
}

interface Answer {
  readonly text: string;
  readonly prefill: string;
  readonly cachedTokens: number;
  readonly route: { readonly reason: string; readonly expectedTokens: number };
}

async function ask(system: RunningSystem, content: string): Promise<Answer> {
  const messages = [{ role: 'user', content }];
  const body = { model: 'tercet-tiny', temperature: 0, max_tokens: 8, ignore_eos: true, messages };
  const response = await system.post('/v1/chat/completions', body);
  const { choices, tercet } = (await response.json()) as {
    choices: { message: { content: string } }[];
    tercet: { pods: { prefill: string }; cachedTokens: number; route: Answer['route'] };
  };
  // The facts of what it left reach the gateway in some milliseconds.
  await sleep(100);
  const { cachedTokens, pods, route } = tercet;
  return { text: choices[0]?.message.content ?? '', prefill: pods.prefill, cachedTokens, route };
}

/** A prompt of some hundred tokens, another for each seed from its first block on. */
function story(seed: number): string {
  const colours = ['red', 'blue', 'green', 'black'];
  const words = Array.from({ length: 160 }, (_, i) => `${colours[(i * 7 + seed * 3) % 4]} ${i}`);
  return `${seed} ${words.join(' ')}`;
}

async function factsKnown(system: RunningSystem): Promise<number> {
  return metric(system, 'tercet_route_facts', 'kind="prefix"');
}

/** Sum of the samples with this label. */
async function metric(system: RunningSystem, name: string, label: string): Promise<number> {
  const text = await (await fetch(`${system.url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(label));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
