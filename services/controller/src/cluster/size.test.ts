import { describe, expect, test } from '@jest/globals';
import { type BegunMove, emptyLedger } from '@tercet/controller-core';
import type { ServingPoolSpec } from '@tercet/kubernetes';
import { planSize, wantedPods } from './size.js';

const pool = { spec: { pods: 4 } as ServingPoolSpec };
const move: BegunMove = {
  ...{ podId: 'a', from: 'decode', to: 'encode', fromEpoch: 1n },
  ...{ begunMs: 0, reason: 'better', decision: 1 },
};

describe('the number of pods of a pool', () => {
  const replaced = (phase: 'surging' | 'replacing' | 'retiring') => ({
    ...emptyLedger,
    moves: [{ ...move, replacement: { phase, standInId: 'pool-4' } }],
  });
  const since = { sinceMs: 1, idleSinceMs: 0, wasEmpty: true };

  test.each([
    { name: 'is what its specification says', ledger: emptyLedger, pods: 4 },
    { name: 'is none while it sleeps', ledger: { ...emptyLedger, sleep: { state: 'asleep', ...since } }, pods: 0 },
    {
      name: 'is all of them while it wakes',
      ledger: { ...emptyLedger, sleep: { state: 'waking', ...since } },
      pods: 4,
    },
    { name: 'is one more while a stand-in starts', ledger: replaced('surging'), pods: 5 },
    { name: 'is one more while the old pod is away', ledger: replaced('replacing'), pods: 5 },
    { name: 'is as before when the old pod is back', ledger: replaced('retiring'), pods: 4 },
    { name: 'is as before while a pod moves in place', ledger: { ...emptyLedger, moves: [move] }, pods: 4 },
  ] as const)('$name', ({ ledger, pods }) => expect(wantedPods(pool, ledger)).toBe(pods));

  const workload = { name: 'w', replicas: 3, installedBy: undefined, scaledBy: undefined, autoscaler: undefined };
  const scale = { kind: 'scale', to: 4 };

  test.each([
    { name: 'is left where it is right', is: { replicas: 4 }, given: [3], step: { kind: 'as wanted' } },
    { name: 'is given where what is wanted changed', is: {}, given: [3], step: scale },
    { name: 'is given by who follows one that ended before it gave it', is: {}, given: [3, 4], step: scale },
    { name: 'is given by who follows one that ended after that', is: { replicas: 5 }, given: [3, 5], step: scale },
    { name: 'is given to a workload that was installed anew', is: { replicas: 2, installedBy: 'helm' }, step: scale },
    { name: 'is taken over, whoever gave it before', is: { scaledBy: 'kubectl' }, given: [], step: scale },
  ])('$name', ({ is, given = [3], step }) => {
    expect(planSize({ ...workload, ...is }, { wanted: 4, given })).toEqual(step);
  });

  test.each([
    { is: { scaledBy: 'kubectl', replicas: 7 }, by: 'kubectl scaled w to 7, not to 4' },
    { is: { replicas: 7 }, by: 'somebody scaled w to 7, not to 4' },
    { is: { autoscaler: 'hpa' }, by: 'autoscaler hpa is set on w' },
    { is: { autoscaler: 'hpa', replicas: 4 }, by: 'autoscaler hpa is set on w' },
  ])('is not fought over: $by', ({ is, by }) => {
    expect(planSize({ ...workload, ...is }, { wanted: 4, given: [3] })).toEqual({ kind: 'contested', by });
  });
});
