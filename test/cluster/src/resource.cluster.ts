import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { controllerManifests, poolManifests, poolResource } from './manifests.js';
import { eventually, Namespace } from './namespace.js';

let space: Namespace;
beforeAll(async () => {
  space = await Namespace.open('resource');
});
afterAll(() => space[Symbol.asyncDispose]());

test('what is not said has its default in the stored resource', async () => {
  expect(space.refusal(poolResource({ name: 'plain', pods: 3 }))).toBeUndefined();
  const { spec } = await space.pool('plain');
  expect(spec).toMatchObject({
    engine: 'embedded',
    policy: 'recommend',
    slo: { ttftMs: 1000, tpotMs: 100, attainment: 0.9 },
    least: { encode: 1, prefill: 1, decode: 1 },
    unavailableMax: 1,
  });
});

test.each([
  { field: 'model', spec: { model: '' }, says: /spec.model.*at least 1 char/ },
  { field: 'engine', spec: { engine: 'guess' }, says: /spec.engine.*supported values: "embedded"/ },
  { field: 'selector', spec: { selector: { a: 1 } }, says: /spec.selector.a.*must be of type string/ },
  { field: 'pods', spec: { pods: -1 }, says: /spec.pods.*greater than or equal to 0/ },
  { field: 'pods, as text', spec: { pods: '3' }, says: /spec.pods.*must be of type integer/ },
  { field: 'policy', spec: { policy: 'yes' }, says: /spec.policy.*supported values: "auto", "recommend", "manual"/ },
  { field: 'slo.ttftMs', spec: { slo: { ttftMs: 0 } }, says: /spec.slo.ttftMs.*greater than or equal to 1/ },
  { field: 'slo.tpotMs', spec: { slo: { tpotMs: 0.5 } }, says: /spec.slo.tpotMs.*must be of type integer/ },
  { field: 'slo.attainment', spec: { slo: { attainment: 1.5 } }, says: /attainment.*less than or equal to 1/ },
  { field: 'least', spec: { least: { decode: 0 } }, says: /spec.least.decode.*greater than or equal to 1/ },
  { field: 'most', spec: { most: { encode: 0 } }, says: /spec.most.encode.*greater than or equal to 1/ },
  { field: 'least above most', spec: { most: { prefill: 1 }, least: { prefill: 2 } }, says: /must not be above most/ },
  { field: 'least above pods', spec: { pods: 2 }, says: /pods must not be fewer than the least/ },
  { field: 'unavailableMax', spec: { unavailableMax: 0 }, says: /spec.unavailableMax.*greater than or equal to 1/ },
  { field: 'dwellMs', spec: { dwellMs: -1 }, says: /spec.dwellMs.*greater than or equal to 0/ },
  { field: 'gainMin', spec: { gainMin: 2 }, says: /spec.gainMin.*less than or equal to 1/ },
  { field: 'gainMin above urgentGain', spec: { gainMin: 0.5 }, says: /gainMin must not be above urgentGain/ },
  { field: 'urgentGain', spec: { urgentGain: -1 }, says: /spec.urgentGain.*greater than or equal to 0/ },
  { field: 'drainTimeoutMs', spec: { drainTimeoutMs: 1e9 }, says: /drainTimeoutMs.*less than or equal to 86400000/ },
  { field: 'verifyMs', spec: { verifyMs: 10 }, says: /spec.verifyMs.*greater than or equal to 1000/ },
  { field: 'lossMax', spec: { lossMax: 'much' }, says: /spec.lossMax.*must be of type number/ },
  { field: 'a word that is none', spec: { plicy: 'auto' }, says: /unknown field "spec.plicy"/ },
])('refused with its reason: $field', ({ spec, says }) => {
  expect(space.refusal(poolResource({ name: 'bad', pods: 3, spec }))).toMatch(says);
});

test('of two pools that claim the same pods, the older has them and the younger says whose they are', async () => {
  const selector = { 'tercet.dev/pool': 'plain' };
  space.apply([...poolManifests({ name: 'plain', pods: 3 }), ...controllerManifests('resource', 1)]);
  await eventually(
    () => space.condition('plain', 'Ready'),
    (says) => says.startsWith('True'),
  );
  space.apply([poolResource({ name: 'second', pods: 3, spec: { selector } })]);
  await eventually(
    () => space.condition('second', 'Degraded'),
    (says) => says.startsWith('True PodOfOtherPool: pod plain-'),
  );
  await eventually(
    async () => (await space.pool('second')).status?.pods,
    (pods) => pods === 0,
  );
  expect(await space.condition('plain', 'Ready')).toMatch(/^True/);
  expect(await space.condition('plain', 'Degraded')).toMatch(/^False/);
});
