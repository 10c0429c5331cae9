import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import type { TercetError } from '@tercet/contracts';
import { systemClock } from '@tercet/telemetry';
import { needsClusterPrograms } from '@tercet/testing';
import type { KubernetesApi } from './api.js';
import { LeaderElection } from './leader-election.js';
import { tellOfPool } from './pool-events.js';
import { type PoolPod, PoolPods } from './pool-pods.js';
import { ServingPools } from './pools.js';
import { poolLabel, roleLabel } from './serving-pool.js';
import { ApiServer } from './testing/api-server.js';
import { PoolWorkloads } from './workloads.js';

const never = new AbortController().signal;
const bin = needsClusterPrograms();

if (bin !== undefined) {
  let server: ApiServer;
  let api: KubernetesApi;
  beforeAll(async () => {
    server = await ApiServer.start(bin);
    api = server.api();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  describe('the status of a pool', () => {
    test('is written by the leader of the latest term; one of an earlier term is told that it lost', async () => {
      await createPool(api, 'fenced');
      const pools = new ServingPools(api);
      await pools.writeStatus('fenced', { pods: 1, attainment: 0.5 }, { term: 7, signal: never });
      await pools.writeStatus('fenced', { pods: 2, attainment: undefined }, { term: 8, signal: never });
      const late = pools.writeStatus('fenced', { pods: 3 }, { term: 7, signal: never });
      await expect(late).rejects.toMatchObject({ code: 'leadership_lost', details: { term: 7, written: 8 } });
      const { status, spec } = await pools.read('fenced', never);
      expect(status).toEqual({ pods: 2, term: 8 });
      expect(spec.least).toEqual({ encode: 1, prefill: 1, decode: 1 });
    });

    test('many writes at a time all arrive or are told to be in conflict', async () => {
      await createPool(api, 'busy');
      const pools = new ServingPools(api);
      const writes = Array.from({ length: 8 }, (_, pods) =>
        pools.writeStatus('busy', { pods }, { term: 1, signal: never }),
      );
      for (const write of await Promise.allSettled(writes)) {
        if (write.status === 'rejected') expect(write.reason).toMatchObject({ code: 'cluster_conflict' });
      }
    });

    test('a pool that is not there is refused with the words of the server', async () => {
      const read = new ServingPools(api).read('nobody', never);
      await expect(read).rejects.toMatchObject({ code: 'cluster_refused', details: { says: /not found/ } });
    });

    test('a decision is told as an event of the resource', async () => {
      const pool = await new ServingPools(api).read('fenced', never);
      const event = { type: 'Normal' as const, reason: 'PodsMove', message: 'a pod moves' };
      await tellOfPool(api, { pool, event, unixMs: systemClock.unixMs() }, never);
      const { items } = await api.core.listNamespacedEvent({ namespace: 'default', fieldSelector: 'reason=PodsMove' });
      expect(items).toMatchObject([
        { message: 'a pod moves', involvedObject: { name: 'fenced', kind: 'ServingPool' } },
      ]);
    });
  });

  describe('the pods of a pool', () => {
    test('are followed, and labelled only while they are what was seen', async () => {
      const failures: TercetError[] = [];
      const selector = `${poolLabel}=watched`;
      await using pods = await PoolPods.open({ api, selector, onFailure: (error) => failures.push(error) });
      expect(pods.all()).toEqual([]);
      await createPod(api, 'p');
      await until(() => pods.all().length === 1);
      const [seen] = pods.all();
      if (seen === undefined) throw new Error('no pod');
      await pods.relabel(seen, 'encode', never);
      await until(() => pods.all()[0]?.role === 'encode');
      const [labelled] = pods.all();
      if (labelled === undefined) throw new Error('no pod');
      await pods.relabel(labelled, 'decode', never);
      // What was seen before is not so any more.
      await expect(pods.relabel(labelled, 'prefill', never)).rejects.toMatchObject({ code: 'cluster_conflict' });
      await api.core.deleteNamespacedPod({ namespace: 'default', name: 'p', gracePeriodSeconds: 0 });
      await until(() => pods.all().length === 0);
      await createPod(api, 'p', { [roleLabel]: 'decode' });
      const old = { ...labelled, role: 'decode' };
      await expect(pods.relabel(old, 'prefill', never)).rejects.toMatchObject({ code: 'cluster_conflict' });
      expect(failures).toEqual([]);
    });
  });

  describe('the workload of a pool', () => {
    const labels = { [poolLabel]: 'sized' };
    const found = () => new PoolWorkloads(api).find(labels, never);
    const scaleBy = (fieldManager: string, replicas: number) =>
      api.apps.patchNamespacedStatefulSetScale(
        { namespace: 'default', name: 'sized', fieldManager, body: { spec: { replicas } } },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );

    test('tells who else scaled it last, or installed it anew, until the controller scaled it', async () => {
      await createWorkload(api, 'sized', labels);
      expect(await found()).toMatchObject({ name: 'sized', replicas: 3, scaledBy: undefined, autoscaler: undefined });
      expect((await found())?.installedBy).toBeDefined();
      await scaleBy('kubectl', 5);
      expect(await found()).toMatchObject({ replicas: 5, scaledBy: 'kubectl' });
      await new PoolWorkloads(api).scale('sized', 4, never);
      expect(await found()).toMatchObject({ replicas: 4, scaledBy: undefined, installedBy: undefined });
      await scaleBy('keda', 9);
      await api.apps.patchNamespacedStatefulSet(
        { namespace: 'default', name: 'sized', fieldManager: 'helm', body: { spec: { replicas: 3 } } },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );
      expect(await found()).toMatchObject({ replicas: 3, scaledBy: undefined, installedBy: 'helm' });
    });

    test('tells of an autoscaler that is set on it', async () => {
      const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'sized' };
      const body = { metadata: { name: 'hpa' }, spec: { scaleTargetRef, maxReplicas: 5 } };
      await api.autoscaling.createNamespacedHorizontalPodAutoscaler({ namespace: 'default', body });
      expect((await found())?.autoscaler).toBe('hpa');
    });

    test('has no refusal from before it got its number of pods', async () => {
      const time = new Date();
      const refused = (message: string) =>
        api.core.createNamespacedEvent({
          namespace: 'default',
          body: {
            metadata: { generateName: 'refused-' },
            involvedObject: { kind: 'StatefulSet', name: 'sized', namespace: 'default' },
            ...{ reason: 'FailedCreate', type: 'Warning', message, firstTimestamp: time, lastTimestamp: time },
          },
        });
      const workloads = new PoolWorkloads(api);
      const refusal = async () => (await workloads.find(labels, never))?.refusal;
      await refused('of the number before');
      expect(await refusal()).toBe('of the number before');
      await workloads.scale('sized', 4, never);
      expect(await refusal()).toBeUndefined();
      await refused('exceeded quota');
      expect(await refusal()).toBe('exceeded quota');
    });
  });

  describe('a pod that is replaced', () => {
    test('is evicted', async () => {
      const selector = `${poolLabel}=watched`;
      await using pods = await PoolPods.open({ api, selector, onFailure: () => undefined });
      await createPod(api, 'old');
      const old = () => pods.all().find(({ name }) => name === 'old');
      await until(() => old() !== undefined);
      await pods.evict(old() as PoolPod, never);
      await until(() => old()?.isLeaving !== false);
    });
  });

  describe('leaders', () => {
    test('one leads at a time, a later one in a later term, also when the clocks are hours apart', async () => {
      const log: string[] = [];
      let leading = 0;
      const candidate = (identity: string, skewMs: number) => {
        const stop = new AbortController();
        const clock = { nowMs: systemClock.nowMs, unixMs: () => systemClock.unixMs() + skewMs };
        const onFailure = (error: TercetError) => log.push(`${identity}: ${error.message}`);
        const election = new LeaderElection({ api, name: 'tests', identity, durationMs: 1500, clock, onFailure });
        const terms: number[] = [];
        const ended = election.run(async (term, signal) => {
          terms.push(term);
          leading++;
          expect(leading).toBe(1);
          if (!signal.aborted)
            await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          leading--;
        }, stop.signal);
        const end = async () => {
          stop.abort();
          await ended;
        };
        return { terms, stop: end };
      };
      const first = candidate('a', 0);
      await until(() => first.terms.length === 1);
      const second = candidate('b', 7_200_000);
      await new Promise((resolve) => setTimeout(resolve, 3000));
      expect(second.terms).toEqual([]);
      await first.stop();
      await until(() => second.terms.length === 1);
      await second.stop();
      expect(second.terms[0]).toBe((first.terms[0] ?? 0) + 1);
      expect(log).toEqual([]);
    });

    test('one that dies without a word is followed when its lease stood still', async () => {
      const spec = { holderIdentity: 'dead', leaseDurationSeconds: 2, leaseTransitions: 41 };
      await api.coordination.createNamespacedLease({
        namespace: 'default',
        body: { metadata: { name: 'left' }, spec },
      });
      const stop = new AbortController();
      const options = { api, name: 'left', identity: 'next', clock: systemClock, onFailure: () => undefined };
      const beganMs = performance.now();
      let term = 0;
      await new LeaderElection({ ...options, durationMs: 1000 }).run(async (taken) => {
        term = taken;
        stop.abort();
      }, stop.signal);
      expect(term).toBe(42);
      expect(performance.now() - beganMs).toBeGreaterThan(2000);
    });
  });
}

async function createPool(api: KubernetesApi, name: string): Promise<void> {
  const place = { group: 'tercet.dev', version: 'v1alpha1', plural: 'servingpools', namespace: 'default' };
  const body = { apiVersion: 'tercet.dev/v1alpha1', kind: 'ServingPool', metadata: { name }, spec: { model: 'm' } };
  await api.custom.createNamespacedCustomObject({ ...place, body });
}

async function createWorkload(api: KubernetesApi, name: string, labels: Record<string, string>): Promise<void> {
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const spec = { replicas: 3, serviceName: name, selector: { matchLabels: labels }, template };
  await api.apps.createNamespacedStatefulSet({ namespace: 'default', body: { metadata: { name }, spec } });
}

async function createPod(api: KubernetesApi, name: string, labels: Record<string, string> = {}): Promise<void> {
  const body = {
    metadata: { name, labels: { [poolLabel]: 'watched', ...labels } },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  };
  await api.core.createNamespacedPod({ namespace: 'default', body });
}

async function until(isTrue: () => boolean, withinMs = 20_000): Promise<void> {
  const signal = AbortSignal.timeout(withinMs);
  while (!isTrue()) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
