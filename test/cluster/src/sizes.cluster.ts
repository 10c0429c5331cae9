import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { askDuring } from './asking.js';
import { controllerManifests, gatewayManifests, poolManifests, poolResource } from './manifests.js';
import { apps, countsOf, eventually, Namespace } from './namespace.js';
import { pictureQuestion } from './picture.js';

// An engine that changes no stage in place, so that every move is a replacement; the pool sleeps without requests.
const pool = {
  name: 'tiny',
  pods: 4,
  spec: { policy: 'auto', inPlace: [], least: { encode: 1, prefill: 1, decode: 2 } },
};
const { body, answer } = pictureQuestion();
let space: Namespace;

beforeAll(async () => {
  space = await Namespace.open('sizes');
  space.apply([...poolManifests(pool), ...gatewayManifests(['tiny']), ...controllerManifests('sizes', 2)]);
  space.apply([poolResource(pool)]);
  await eventually(
    async () => (await space.chat(body)).status,
    (status) => status === 200,
  );
  await eventually(serving, ({ encode, prefill, decode }) => encode === 1 && prefill === 1 && decode === 2);
  await isAtRest();
});
afterAll(() => space[Symbol.asyncDispose]());

const serving = async () => countsOf(await space.roles('tiny'));
const podNames = async () => Object.keys(await space.roles('tiny')).sort();
const four = ['tiny-0', 'tiny-1', 'tiny-2', 'tiny-3'];
const replicas = async () =>
  (await apps.readNamespacedStatefulSet({ namespace: space.name, name: 'tiny' })).spec?.replicas;
const isAtRest = () =>
  eventually(
    async () => ({ ledger: (await space.pool('tiny')).status?.ledger as { moves: unknown[] }, pods: await podNames() }),
    ({ ledger, pods }) => ledger.moves.length === 0 && String(pods) === String(four),
    120_000,
  );

test('the gateway tells what the page shows of the pool: pods, roles, epochs, changes of roles', async () => {
  const shown = async () => (await space.shownPools()).find(({ name, isCurrent }) => name === 'tiny' && isCurrent);
  const labels = await space.roles('tiny');
  await eventually(shown, (found) => {
    const roles = found?.pods.map(({ podId, role }) => [podId, role]) ?? [];
    return JSON.stringify(Object.fromEntries(roles.toSorted())) === JSON.stringify(labels);
  });
  const { pods = [], roleChanges = [] } = (await shown()) ?? {};
  for (const { epoch } of pods) expect(epoch).toBeGreaterThan(0);
  expect(roleChanges.length).toBeGreaterThan(0);
});

test('a pod that cannot change its stage in place is replaced: a stand-in first, and no request is lost', async () => {
  const seen = new Set<string>();
  const { answers, failures, longestMs } = await askDuring(
    async () => {
      space.changePool('tiny', { least: { encode: 2, decode: 1 } });
      await eventually(
        async () => {
          for (const pod of await podNames()) seen.add(pod);
          return serving();
        },
        ({ encode, decode }) => encode === 2 && decode === 1,
        120_000,
      );
      await isAtRest();
    },
    () => space.chat(body),
    2,
  );
  console.log(`replaced: ${answers.length} answers, ${failures.length} failed, longest ${longestMs.toFixed(0)} ms`);
  expect(failures).toEqual([]);
  for (const text of answers) expect(text).toMatch(answer);
  expect([...seen]).toContain('tiny-4');
  expect(await space.events('PodMoved')).toContainEqual(expect.stringContaining('serves encode'));
});

test('a controller that dies in the middle of a replacement: the next one ends it, no pod is left over', async () => {
  space.changePool('tiny', { least: { encode: 1, decode: 2 } });
  await eventually(async () => (await space.condition('tiny', 'Progressing')).includes('replaced: surging'), Boolean);
  await space.kill(await space.leader());
  await eventually(serving, ({ decode }) => (decode ?? 0) >= 2, 120_000);
  await isAtRest();
  expect(await serving()).toEqual({ encode: 1, prefill: 1, decode: 2 });
});

test('where a quota leaves no room for a stand-in, the pod is replaced without one', async () => {
  const hard = { pods: '7' };
  space.apply([{ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'full' }, spec: { hard } }]);
  await eventually(
    async () => space.table('resourcequota', 'full', '-o', 'jsonpath={.status.used.pods}'),
    (used) => used === '7',
  );
  space.changePool('tiny', { least: { encode: 1, prefill: 2, decode: 1 } });
  await eventually(serving, ({ prefill }) => prefill === 2, 120_000);
  await isAtRest();
  space.remove('resourcequota', 'full');
});

test('a pool without requests has no pods; one that comes wakes it, and is answered', async () => {
  space.changePool('tiny', { sleep: { afterMs: 4000, payback: 0 } });
  await eventually(podNames, (pods) => pods.length === 0, 60_000);
  await eventually(
    () => space.condition('tiny', 'Ready'),
    (says) => says.startsWith('False Asleep'),
  );
  expect(await space.condition('tiny', 'Degraded')).toMatch(/^False/);
  await eventually(
    () => space.shownPools(),
    ([shown]) => shown?.sleep?.state === 'asleep',
  );
  const wakesMs = async () => {
    const { ledger } = (await space.pool('tiny')).status ?? {};
    return (ledger as { wakesMs: number[] }).wakesMs;
  };
  const before = (await wakesMs()).length;
  const beganMs = performance.now();
  const responses = await Promise.all(Array.from({ length: 6 }, () => space.chat(body)));
  console.log(`six requests waited ${(performance.now() - beganMs).toFixed(0)} ms for a pool without pods`);
  for (const response of responses) expect(await response.text()).toMatch(answer);
  expect(await wakesMs()).toHaveLength(before + 1);
  expect(await space.events('Awake')).toHaveLength(1);
});

test('requests that come while it falls asleep are not lost either', async () => {
  // Pauses as long as the pool waits before it sleeps: some requests meet pods that go.
  for (let i = 0; i < 4; i++) {
    await sleep(4000 + 300 * i);
    const response = await space.chat(body);
    expect([response.status, await response.text()]).toEqual([200, expect.stringMatching(answer)]);
  }
  space.changePool('tiny', { sleep: null });
  await isAtRest();
});

test('an autoscaler on the workload: the controller says so, and does not fight', async () => {
  await isAtRest();
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'tiny' };
  const spec = { scaleTargetRef, minReplicas: 5, maxReplicas: 6 };
  space.apply([{ apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'greedy' }, spec }]);
  await eventually(
    () => space.condition('tiny', 'OwnsSize'),
    (says) => says.startsWith('False ScaledByOthers: autoscaler greedy'),
  );
  // The autoscaler raises it to its minimum, and there it stays.
  await eventually(replicas, (count) => count === 5, 60_000);
  const counts = new Set<number | undefined>();
  for (let i = 0; i < 20; i++) {
    counts.add(await replicas());
    await sleep(250);
  }
  expect([...counts]).toEqual([5]);
  space.remove('hpa', 'greedy');
  await eventually(replicas, (count) => count === 5);
  space.scaleWorkload('tiny', 4);
  await eventually(
    () => space.condition('tiny', 'OwnsSize'),
    (says) => says.startsWith('True'),
  );
});

test('a person who scales the workload past the controller is told so, until it is as the pool says', async () => {
  await isAtRest();
  space.scaleWorkload('tiny', 5);
  await eventually(
    () => space.condition('tiny', 'OwnsSize'),
    (says) => says.includes('scaled tiny to 5, not to 4'),
  );
  expect(await replicas()).toBe(5);
  space.scalePool('tiny', 5);
  await eventually(
    () => space.condition('tiny', 'OwnsSize'),
    (says) => says.startsWith('True'),
  );
});
