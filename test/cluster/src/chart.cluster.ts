import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { askDuring } from './asking.js';
import { countsOf, eventually, Namespace } from './namespace.js';
import { pictureQuestion } from './picture.js';
import { Release } from './release.js';

const { body, answer } = pictureQuestion();
/** The one pool of the values for a laptop. */
const pool = 'tercet-tiny';
let space: Namespace;
let release: Release;

beforeAll(async () => {
  space = await Namespace.open('chart');
  release = new Release('chart');
});
afterAll(() => space[Symbol.asyncDispose]());

const gateway = () => space.serviceAddress('tercet-gateway');
const podsOf = async (component: string) =>
  (await space.pods(`app.kubernetes.io/component=${component}`)).map(({ metadata }) => metadata?.uid ?? '').sort();

test('helm install waits until every stage is served, and says what to do next', async () => {
  const beganMs = performance.now();
  const says = await release.install();
  console.log(`installed and served after ${((performance.now() - beganMs) / 1000).toFixed(1)} s`);
  expect((await space.chatAt(await gateway(), body)).status).toBe(200);
  expect(says).toContain('tercet-tiny on 3 pods');
  expect(says).toContain('helm -n chart test tercet');
  expect(says).toContain('No key is asked for');
  expect(countsOf(await space.roles(pool))).toEqual({ encode: 1, prefill: 1, decode: 1 });
  await eventually(
    async () => space.table('servingpools'),
    (table) => /tercet-tiny +tercet-tiny +auto +3 +1\/1\/1 +True/.test(table),
  );
  expect((await space.pool(pool)).status?.selector).toContain('app.kubernetes.io/instance=tercet');
});

test('helm test has a question about a picture answered', async () => {
  expect(await release.test()).toMatch(/Phase: +Succeeded/);
});

test('a question about a picture goes through a pod of every stage, and is answered right', async () => {
  const response = await space.chatAt(await gateway(), body);
  const { choices, tercet } = (await response.json()) as {
    choices: { message: { content: string } }[];
    tercet: { pods: { encode: string[]; prefill: string; decode: string } };
  };
  expect(choices[0]?.message.content).toMatch(answer);
  const roles = await space.roles(pool);
  const { encode, prefill, decode } = tercet.pods;
  expect([encode.map((pod) => roles[pod]), roles[prefill], roles[decode]]).toEqual([['encode'], 'prefill', 'decode']);
});

test('the gateway shows the pool as the controller tells of it', async () => {
  const address = await gateway();
  const roles = JSON.stringify(await space.roles(pool));
  await eventually(
    () => space.shownPoolsAt(address),
    ([shown]) => {
      const pods = shown?.pods.map(({ podId, role }) => [podId, role]).toSorted() ?? [];
      return shown?.name === pool && shown.isCurrent && JSON.stringify(Object.fromEntries(pods)) === roles;
    },
  );
});

test('an upgrade of gateway and stages loses no request, and every pod keeps its role', async () => {
  const before = { gateways: await podsOf('gateway'), stages: await podsOf('stage'), roles: await space.roles(pool) };
  const address = await gateway();
  const changed = 'gateway.config.requests.runningMax=100,stage.config.drainTimeoutMs=9000';
  const { answers, failures, longestMs } = await askDuring(
    async () => {
      await release.upgrade('--set', changed);
      // The gateway that leaves is there until it stopped.
      await eventually(
        () => podsOf('gateway'),
        (pods) => pods.length === 1,
      );
    },
    () => space.chatAt(address, body),
    4,
  );
  console.log(`${answers.length} answers, ${failures.length} failed, the longest took ${longestMs.toFixed(0)} ms`);
  expect(failures).toEqual([]);
  for (const text of answers) expect(text).toMatch(answer);
  expect(answers.length).toBeGreaterThan(10);
  const [gateways, stages] = [await podsOf('gateway'), await podsOf('stage')];
  expect(gateways.filter((pod) => before.gateways.includes(pod))).toEqual([]);
  expect(stages.filter((pod) => before.stages.includes(pod))).toEqual([]);
  expect(await space.roles(pool)).toEqual(before.roles);
  expect(await release.revision()).toBe(2);
});

test('a pool that may sleep has no pods without requests, and one wakes it', async () => {
  await release.upgrade('--set', 'poolDefaults.controller.sleep.afterMs=3000,poolDefaults.controller.sleep.payback=0');
  await eventually(
    () => space.condition(pool, 'Ready'),
    (says) => says.startsWith('False Asleep'),
  );
  await eventually(
    () => podsOf('stage'),
    (pods) => pods.length === 0,
  );
  expect(await (await space.chatAt(await gateway(), body)).text()).toMatch(answer);
  await release.upgrade();
  await eventually(
    () => space.condition(pool, 'Ready'),
    (says) => says.startsWith('True'),
  );
});

test.each([
  { set: 'gateway.config.requests.runningMax=0', says: '/gateway/config/requests/runningMax' },
  { set: 'pools[0].name=tiny,pools[0].model=tercet-tiny,pools[0].policy=often', says: '/pools/0/policy' },
  { set: 'stage.confg.threads=1', says: "'confg' not allowed" },
])('an upgrade with $set is refused, and changes nothing', async ({ set, says }) => {
  const before = await release.revision();
  await expect(release.upgrade('--set', set)).rejects.toThrow(says);
  expect(await release.revision()).toBe(before);
});

test('keys are asked for when the values say so, and are made in the gateway', async () => {
  const says = await release.upgrade('--set', 'keys.required=true');
  const address = await gateway();
  await eventually(
    async () => (await space.chatAt(address, body)).status,
    (status) => status === 401,
  );
  const [, command = ''] = /exec deploy\/tercet-gateway -- (.+)$/m.exec(says) ?? [];
  const [key = ''] = /tck_\w+/.exec(space.exec('deploy/tercet-gateway', ...command.split(' '))) ?? [];
  await eventually(
    async () => (await space.chatAt(address, body, { authorization: `Bearer ${key}` })).status,
    (status) => status === 200,
  );
});

test('helm uninstall leaves the definition of the resource and the lease of the controller', async () => {
  await release.uninstall();
  const kinds = 'all,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies,pdb,servingpools,pvc,leases';
  await eventually(
    async () => space.table(kinds, '--output=name').trim().split('\n').sort(),
    (left) =>
      String(left) === 'configmap/kube-root-ca.crt,lease.coordination.k8s.io/tercet-controller,serviceaccount/default',
  );
  expect(space.table('crd', 'servingpools.tercet.dev', '--output=name')).toContain('servingpools.tercet.dev');
});
