import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startedCluster } from './config.js';
import { silenceApiServer, switchOff } from './machines.js';
import { controllerManifests, gatewayManifests, poolManifests, poolResource } from './manifests.js';
import { core, countsOf, eventually, Namespace } from './namespace.js';
import { pictureQuestion } from './picture.js';

const pool = { name: 'tiny', pods: 4, spec: { policy: 'auto', least: { encode: 1, prefill: 1, decode: 2 } } };
const story = { messages: [{ role: 'user', content: 'Tell me a story.' }], ignore_eos: true, max_tokens: 800 };
let space: Namespace;

beforeAll(async () => {
  space = await Namespace.open('trouble');
  space.apply([...poolManifests(pool), ...gatewayManifests(['tiny']), ...controllerManifests('trouble', 2)]);
  space.apply([poolResource(pool)]);
  await eventually(
    () => space.roles('tiny'),
    (roles) => countsOf(roles).decode === 2 && countsOf(roles).none === undefined,
  );
  await eventually(
    async () => (await space.chat(pictureQuestion().body)).status,
    (status) => status === 200,
  );
});
afterAll(() => space[Symbol.asyncDispose]());

async function movesUnderWay(): Promise<number> {
  const { ledger } = (await space.pool('tiny')).status ?? {};
  return (ledger as { moves?: unknown[] } | undefined)?.moves?.length ?? 0;
}

test('the leader is killed while a pod moves: the next one finishes the move, and no answer is lost', async () => {
  const expected = await (await space.chat(story)).json();
  const answers = Array.from({ length: 4 }, async () => (await space.chat(story)).json());
  await sleep(1000);
  space.changePool('tiny', { least: { prefill: 2, decode: 1 } });
  await eventually(movesUnderWay, (moves) => moves > 0, 20_000);
  const leader = await space.leader();
  await space.kill(leader);
  const tookMs = await eventually(
    () => space.leader(),
    (now) => now !== leader && now !== '',
    30_000,
  );
  console.log(`another controller leads after ${tookMs.toFixed(0)} ms`);
  await eventually(movesUnderWay, (moves) => moves === 0);
  await eventually(
    () => space.roles('tiny'),
    (roles) => countsOf(roles).prefill === 2 && countsOf(roles).decode === 1,
  );
  const textOf = (answer: unknown) =>
    (answer as { choices: { message: { content: string } }[] }).choices[0]?.message.content;
  for (const answer of await Promise.all(answers)) expect(textOf(answer)).toBe(textOf(expected));
});

test('the API server answers nobody for a while: requests go on, and the pool is tended again afterwards', async () => {
  const { body, answer } = pictureQuestion();
  const [gateway] = await space.pods('app=gateway');
  const resume = silenceApiServer();
  try {
    const endMs = performance.now() + 15_000;
    while (performance.now() < endMs) {
      const response = await space.chatAt(gateway?.status?.podIP ?? '', body);
      expect(await response.text()).toMatch(answer);
      await sleep(250);
    }
  } finally {
    resume();
  }
  const { spec } = await space.pool('tiny');
  space.changePool('tiny', { verifyMs: spec.verifyMs + 1000 });
  await eventually(async () => {
    const { metadata, status } = await space.pool('tiny');
    return status?.observedGeneration === metadata.generation;
  }, Boolean);
});

test('a quota that refuses pods is told in the resource, in the words of the API server', async () => {
  const quota = await Namespace.open('quota');
  await using _ = quota;
  const wanted = { name: 'gpu', pods: 3, gpus: 1 };
  quota.apply([
    {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'gpus' },
      spec: { hard: { 'requests.nvidia.com/gpu': '2' } },
    },
    ...controllerManifests('quota', 1),
    ...poolManifests(wanted),
  ]);
  quota.apply([poolResource(wanted)]);
  await eventually(
    () => quota.condition('gpu', 'Degraded'),
    (says) => says.startsWith('True PodsMissing: 2 of 3 pods answer') && says.includes('exceeded quota: gpus'),
  );
  await eventually(
    () => quota.condition('gpu', 'Ready'),
    (says) => /^False StageWithoutPod: no pod serves \w+;.*exceeded quota/.test(says),
  );
});

test('more devices than the nodes have: the pod that has no place is told', async () => {
  const full = await Namespace.open('full');
  await using _ = full;
  const wanted = { name: 'gpu', pods: 3, gpus: 3 };
  full.apply([...controllerManifests('full', 1), ...poolManifests(wanted)]);
  full.apply([poolResource({ ...wanted, pods: 4 })]);
  await eventually(
    () => full.condition('gpu', 'Degraded'),
    (says) => says.includes('3 of 4 pods answer') && says.includes('Insufficient nvidia.com/gpu'),
  );
});

test('a node is gone: what it had is served elsewhere again', async () => {
  const node = `node${startedCluster().nodes}`;
  const { body, answer } = pictureQuestion();
  const lost = (await space.pods('tercet.dev/pool=tiny')).filter(({ spec }) => spec?.nodeName === node);
  expect(lost.length).toBeGreaterThan(0);
  switchOff(node);
  // A StatefulSet makes no second pod of the same name before a person or a cloud says that the node is gone.
  await eventually(
    async () => (await core.readNode({ name: node })).status?.conditions?.find(({ type }) => type === 'Ready')?.status,
    (ready) => ready !== 'True',
  );
  await core.deleteNode({ name: node });
  await eventually(
    async () => (await space.pods('tercet.dev/pool=tiny')).every(({ spec }) => spec?.nodeName !== node),
    Boolean,
    120_000,
  );
  await eventually(
    () => space.condition('tiny', 'Ready'),
    (says) => says.startsWith('True'),
    120_000,
  );
  await eventually(
    async () => (await space.chat(body)).text(),
    (text) => answer.test(text),
    120_000,
  );
});
