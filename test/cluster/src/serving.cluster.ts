import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { controllerManifests, gatewayManifests, poolManifests, poolResource } from './manifests.js';
import { countsOf, eventually, Namespace } from './namespace.js';
import { pictureQuestion } from './picture.js';

const pool = { name: 'tiny', pods: 4, spec: { policy: 'auto', least: { encode: 1, prefill: 1, decode: 1 } } };
let space: Namespace;

beforeAll(async () => {
  space = await Namespace.open('serving');
  space.apply([...poolManifests(pool), ...gatewayManifests(['tiny']), ...controllerManifests('serving', 1)]);
  space.apply([poolResource(pool)]);
});
afterAll(() => space[Symbol.asyncDispose]());

test('a pool gets its roles, and its resource says so', async () => {
  await eventually(
    () => space.condition('tiny', 'Ready'),
    (says) => says.startsWith('True'),
  );
  await eventually(
    () => space.roles('tiny'),
    (roles) => countsOf(roles).none === undefined && Object.keys(roles).length === 4,
  );
  await eventually(
    () => space.condition('tiny', 'Degraded'),
    (says) => says.startsWith('False'),
  );
  const { status, metadata } = await space.pool('tiny');
  expect(status?.observedGeneration).toBe(metadata.generation);
  expect(status?.pods).toBe(4);
  expect(status?.selector).toBe('tercet.dev/pool=tiny');
  expect(Object.fromEntries((status?.assignments ?? []).map(({ podId, role }) => [podId, role]))).toEqual(
    await space.roles('tiny'),
  );
  expect(space.table('servingpool', 'tiny')).toMatch(/MODEL +POLICY +PODS +E\/P\/D +READY +SLO/);
  expect((await space.events('RolesGiven')).length).toBeGreaterThan(0);
});

test('the Service of each stage leads to the pods that serve it', async () => {
  const roles = await space.roles('tiny');
  for (const stage of ['encode', 'prefill', 'decode']) {
    const serving = Object.keys(roles).filter((pod) => roles[pod] === stage);
    await eventually(
      () => space.behind(`tiny-${stage}`),
      (pods) => String(pods) === String(serving.toSorted()),
    );
  }
});

test('a question about a picture goes through a pod of every stage, and is answered right', async () => {
  const { body, answer } = pictureQuestion();
  await eventually(
    async () => (await space.chat(body)).status,
    (status) => status === 200,
  );
  const response = await space.chat(body);
  const { choices, tercet } = (await response.json()) as {
    choices: { message: { content: string } }[];
    tercet: { pods: { encode: string[]; prefill: string; decode: string }; parts: Record<string, number> };
  };
  expect(choices[0]?.message.content).toMatch(answer);
  const roles = await space.roles('tiny');
  const { encode, prefill, decode } = tercet.pods;
  expect([encode.map((pod) => roles[pod]), roles[prefill], roles[decode]]).toEqual([['encode'], 'prefill', 'decode']);
  expect(response.headers.get('server-timing')).toContain('media-transfer');
});

test('a pod moves when its pool says so: label and Services within 2 s, no request lost', async () => {
  const { body, answer } = pictureQuestion();
  const before = countsOf(await space.roles('tiny'));
  const short = (['encode', 'prefill', 'decode'] as const).find((stage) => before[stage] === 1) ?? 'decode';
  let isOver = false;
  const answers = (async () => {
    const texts: string[] = [];
    while (!isOver) texts.push(await (await space.chat(body)).text());
    return texts;
  })();
  const roleTaken = eventually(
    async () => (await space.pool('tiny')).status,
    (status) => {
      return status?.ledger !== undefined && status.roles?.[short] === 2 && Object(status.ledger).moves.length === 0;
    },
  );
  space.changePool('tiny', { least: { [short]: 2 } });
  const labelled = eventually(
    () => space.roles('tiny'),
    (roles) => countsOf(roles)[short] === 2,
  );
  const followed = eventually(
    () => space.behind(`tiny-${short}`),
    (pods) => pods.length === 2,
  );
  const [labelMs, followMs] = await Promise.all([labelled, followed, roleTaken]);
  isOver = true;
  console.log(`label after ${labelMs.toFixed(0)} ms of the edit, Service after ${followMs.toFixed(0)} ms`);
  expect(followMs - labelMs).toBeLessThan(2000);
  for (const text of await answers) expect(text).toMatch(answer);
  expect(await space.events('PodMoved')).toContainEqual(expect.stringContaining(`serves ${short}`));
});

test('a label that somebody else put on a pod is put right', async () => {
  const [[pod, role] = ['', '']] = Object.entries(await space.roles('tiny'));
  space.label(pod, role === 'decode' ? 'encode' : 'decode');
  await eventually(
    () => space.roles('tiny'),
    (roles) => roles[pod] === role,
    10_000,
  );
});

test('a pod that is started again takes its recorded role, in a later epoch', async () => {
  const roles = await space.roles('tiny');
  const [pod = ''] = Object.keys(roles);
  const epochOf = async () => (await space.pool('tiny')).status?.assignments?.find(({ podId }) => podId === pod)?.epoch;
  const before = BigInt((await epochOf()) ?? 0);
  await space.kill(pod);
  await eventually(epochOf, (epoch) => BigInt(epoch ?? 0) > before);
  await eventually(
    () => space.roles('tiny'),
    (now) => now[pod] === roles[pod],
  );
});

test('the pool grows and shrinks by its scale, and new pods get roles', async () => {
  space.scalePool('tiny', 5);
  await eventually(
    () => space.roles('tiny'),
    (roles) => Object.values(roles).filter((role) => role !== 'none').length === 5,
  );
  space.scalePool('tiny', 4);
  await eventually(
    async () => Object.keys(await space.roles('tiny')).length,
    (count) => count === 4,
  );
  await eventually(
    () => space.condition('tiny', 'Degraded'),
    (says) => says.startsWith('False'),
  );
});
