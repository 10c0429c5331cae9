import { describe, expect, test } from '@jest/globals';
import { disaggregated, movesBetween, type Split, stageNames } from '@tercet/allocation';
import fc from 'fast-check';
import { emptyLedger, type Ledger } from './ledger.js';
import { type Pass, planPass } from './plan-pass.js';
import { planWish } from './plan-wish.js';
import { type PoolSpec, splitOf } from './pool.js';
import { needsStandIn, replacementPrices, surgeMsMax } from './replacement.js';
import { FakePods, testSpec } from './testing.js';

const standInId = 'pool-5';
const names = ['pool-0', 'pool-1', 'pool-2', 'pool-3', 'pool-4'];
const target = disaggregated(2, 1, 2);

/** Five pods of an engine that changes no stage in place, and a cluster that starts and removes pods. */
class Plant {
  ledger: Ledger = emptyLedger;
  nowMs = 0;
  target: Split = target;
  /** Why the cluster starts no sixth pod. */
  refusal: string | undefined;
  readonly performing = new Set<string>();
  readonly gone = new Set<string>();
  readonly findings: string[] = [];
  readonly pods = new FakePods({
    'pool-0': 'encode',
    'pool-1': 'prefill',
    'pool-2': 'decode',
    'pool-3': 'decode',
    'pool-4': 'decode',
  });

  constructor(readonly more: Partial<PoolSpec> = {}) {}

  /** @param crash ends the controller after it wrote down what it will do, before it does it */
  async pass(crash = false): Promise<Pass> {
    for (const podId of this.performing) if (!this.pods.isSwitching(podId)) this.performing.delete(podId);
    const spec = { ...testSpec, unavailableMax: 1, inPlace: [], ...this.more };
    const pass = await planPass({
      ...{ ledger: this.ledger, pods: this.pods.states(), spec, nowMs: this.nowMs, performing: this.performing },
      room: { standInId, refusal: this.refusal, unavailableMax: spec.unavailableMax },
      propose: async ({ current }) => {
        const moves = movesBetween(current, this.target).slice(0, 1);
        const expected = { current: 0.5, target: 0.9 };
        return { kind: moves.length > 0 ? 'move' : 'stay', target: this.target, moves, reason: 'better', expected };
      },
      baseline: async () => ({ realised: 0.5, simulated: 0.5 }),
      judge: async () => undefined,
    });
    this.ledger = pass.ledger;
    this.findings.push(...pass.findings.map(({ kind }) => kind));
    this.nowMs += 5000;
    if (crash) {
      this.performing.clear();
      return pass;
    }
    for (const ask of pass.asks) if (this.pods.ask(ask)) this.performing.add(ask.podId);
    for (const podId of pass.takeDowns) this.takeDown(podId);
    return pass;
  }

  takeDown(podId: string): void {
    this.pods.remove(podId);
    this.gone.add(podId);
  }

  /** What the cluster does meanwhile: pods that are wanted appear, a stand-in that is not goes. */
  step(): void {
    this.pods.step();
    for (const podId of this.gone) this.pods.add(podId);
    this.gone.clear();
    if (needsStandIn(this.ledger) && this.refusal === undefined) this.pods.add(standInId);
    if (!needsStandIn(this.ledger)) this.pods.remove(standInId);
  }

  async settle(passes = 20): Promise<void> {
    for (let i = 0; i < passes; i++) {
      await this.pass();
      this.step();
    }
  }

  serving(stage: string): number {
    return this.pods.states().filter(({ role, phase }) => role === stage && phase === 'ready').length;
  }

  get phase() {
    return this.ledger.moves[0]?.replacement?.phase;
  }
}

describe('a move that an engine does not make in place', () => {
  test('is a replacement: a stand-in serves, the old pod goes and returns, the stand-in goes', async () => {
    const plant = new Plant();
    const seen: string[] = [];
    await plant.pass();
    for (let i = 0; i < 16; i++) {
      const { takeDowns } = await plant.pass();
      const phase = plant.phase ?? 'over';
      if (seen.at(-1) !== phase) seen.push(phase);
      // The old pod goes only once the stand-in serves, and no stage ever has fewer pods than before or after.
      if (takeDowns.length > 0) expect(plant.serving('encode')).toBe(2);
      if (phase !== 'surging') expect(plant.serving('encode')).toBeGreaterThanOrEqual(2);
      expect(plant.serving('decode')).toBeGreaterThanOrEqual(2);
      plant.step();
    }
    expect(seen).toEqual(['surging', 'replacing', 'retiring', 'over']);
    expect(splitOf(plant.ledger, plant.pods.states())).toEqual(target);
    expect(
      plant.pods
        .states()
        .map(({ podId }) => podId)
        .toSorted(),
    ).toEqual(names);
    expect(plant.findings.filter((kind) => kind === 'moved')).toHaveLength(1);
  });

  test('goes without a stand-in where the cluster refuses one and a pod may be away', async () => {
    const plant = new Plant();
    plant.refusal = 'exceeded quota';
    await plant.settle();
    expect(splitOf(plant.ledger, plant.pods.states())).toEqual(target);
    expect(plant.ledger.moves).toEqual([]);
  });

  test('goes without a stand-in that never serves', async () => {
    const plant = new Plant();
    await plant.pass();
    await plant.pass();
    expect(plant.phase).toBe('surging');
    plant.nowMs += surgeMsMax;
    await plant.pass();
    expect(plant.ledger.moves[0]?.replacement).toEqual({ phase: 'replacing' });
  });

  test('is undone where the cluster refuses a stand-in and another pod is away already', async () => {
    const plant = new Plant({ inPlace: ['decode-prefill'] });
    await plant.pass();
    plant.target = disaggregated(1, 2, 2);
    await plant.pass();
    plant.target = target;
    plant.ledger = { ...plant.ledger, moves: plant.ledger.moves.map((move) => ({ ...move, podId: 'pool-2' })) };
    const { moves } = plant.ledger;
    const wish = { podId: 'pool-4', from: 'decode', to: 'encode', fromEpoch: 1n, begunMs: 0 } as const;
    const replacement = { phase: 'surging', standInId } as const;
    plant.ledger = { ...plant.ledger, moves: [...moves, { ...wish, reason: 'asked', decision: 0, replacement }] };
    plant.performing.add('pool-2');
    plant.refusal = 'exceeded quota';
    const { findings } = await plant.pass();
    expect(findings).toContainEqual(expect.objectContaining({ kind: 'undone' }));
  });

  test('begins only where pods can be replaced', async () => {
    const input = { ...new Plant(), pods: new Plant().pods.states(), performing: new Set<string>(), nowMs: 0 };
    const wish = () => planWish({ ...input, spec: { ...testSpec, inPlace: [] } }, { podId: 'pool-4', role: 'encode' });
    expect(wish).toThrow('it has to be replaced');
  });

  test('is one at a time', async () => {
    const plant = new Plant();
    await plant.pass();
    await plant.pass();
    plant.target = disaggregated(2, 2, 1);
    await plant.pass();
    expect(plant.ledger.moves).toHaveLength(1);
  });

  test('costs two loads; one in place costs none', () => {
    const spec = { ...testSpec, inPlace: ['prefill-decode', 'decode-prefill'] as const };
    expect(replacementPrices(spec, 20_000)).toEqual({
      'encode-prefill': 40_000,
      'encode-decode': 40_000,
      'prefill-encode': 40_000,
      'decode-encode': 40_000,
    });
    expect(replacementPrices(testSpec, 20_000)).toEqual({});
  });
});

test('whatever dies, is refused and crashes meanwhile, a replacement ends, and no pod too many is left', async () => {
  const event = fc.oneof(
    { weight: 6, arbitrary: fc.constant({ kind: 'step' as const }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'crash' as const }) },
    fc.constantFrom(...names, standInId).map((podId) => ({ kind: 'restart' as const, podId })),
    fc.boolean().map((isRefused) => ({ kind: 'quota' as const, isRefused })),
    fc.constant({ kind: 'edit' as const }),
  );
  const property = fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
    const plant = new Plant();
    for (const happens of events) {
      await plant.pass(happens.kind === 'crash');
      if (happens.kind === 'restart' && plant.pods.states().some(({ podId }) => podId === happens.podId))
        plant.pods.restart(happens.podId);
      if (happens.kind === 'quota') plant.refusal = happens.isRefused ? 'exceeded quota' : undefined;
      if (happens.kind === 'edit') plant.target = disaggregated(2, 2, 1);
      plant.step();
    }
    plant.refusal = undefined;
    await plant.settle(60);
    expect(plant.ledger.moves).toEqual([]);
    const states = plant.pods.states();
    expect(states.map(({ podId }) => podId).toSorted()).toEqual(names);
    expect(splitOf(plant.ledger, states)).toEqual(plant.target);
    // Who was meant to have a role has it.
    for (const stage of stageNames) expect(plant.serving(stage)).toBe(plant.target[stage]);
  });
  await fc.assert(property, { numRuns: 200 });
});
