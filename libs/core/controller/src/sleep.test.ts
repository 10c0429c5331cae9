import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { emptyLedger, type Ledger, withPause } from './ledger.js';
import type { PodState } from './pool.js';
import { type Demand, expectedPauseMs, expectedWakeMs, planSleep, type SleepChange } from './sleep.js';
import { FakePods } from './testing.js';

const sleep = { afterMs: 60_000, payback: 10 };
const three = () => new FakePods({ a: 'encode', b: 'prefill', c: 'decode' }).states();

function planned(ledger: Ledger, more: { demand?: Demand | undefined; pods?: PodState[]; nowMs?: number } = {}) {
  const { demand = { running: 0, held: 0, idleMs: 60_000 }, pods = three(), nowMs = 1_000_000 } = more;
  return planSleep({ ledger, spec: { sleep }, demand, pods, nowMs, isPerforming: false });
}

describe('a pool that may sleep', () => {
  test('falls asleep after its time without a request', () => {
    const { ledger, change } = planned(emptyLedger);
    expect(change).toBe('fell asleep');
    expect(ledger.sleep).toEqual({ state: 'asleep', sinceMs: 1_000_000, idleSinceMs: 940_000, wasEmpty: false });
  });

  test.each<{ name: string; demand?: Demand | undefined; pods?: PodState[]; ledger?: Ledger }>([
    { name: 'a request runs', demand: { running: 1, held: 0, idleMs: 60_000 } },
    { name: 'a request waits', demand: { running: 0, held: 1, idleMs: 60_000 } },
    { name: 'the last request is not long gone', demand: { running: 0, held: 0, idleMs: 59_999 } },
    { name: 'a pod works', pods: three().map((pod) => ({ ...pod, running: 1 })) },
    { name: 'a stage has no pod', pods: three().slice(1) },
    { name: 'a pod refuses the calls of its role', pods: three().map((pod) => ({ ...pod, refusesCalls: true })) },
  ])('stays awake while $name', ({ ledger = emptyLedger, ...more }) => {
    expect(planned(ledger, more)).toEqual({ ledger });
  });

  test('stays as it is while no gateway is heard: nobody could wake it', () => {
    const [spec, pods, nowMs] = [{ sleep }, three(), 1_000_000];
    const unheard = { spec, demand: undefined, pods, nowMs, isPerforming: false };
    expect(planSleep({ ...unheard, ledger: emptyLedger })).toEqual({ ledger: emptyLedger });
    const { ledger } = planned(emptyLedger);
    expect(planSleep({ ...unheard, ledger, nowMs: 9_000_000 })).toEqual({ ledger });
  });

  test('stays awake while a pod moves, or is asked for something', () => {
    const move = { podId: 'a', from: 'encode', to: 'decode', fromEpoch: 1n, begunMs: 0 } as const;
    const moving = { ...emptyLedger, moves: [{ ...move, reason: 'better', decision: 1 } as const] };
    expect(planned(moving).change).toBeUndefined();
    const demand = { running: 0, held: 0, idleMs: 60_000 };
    const asked = { ledger: emptyLedger, spec: { sleep }, demand, pods: three(), nowMs: 0, isPerforming: true };
    expect(planSleep(asked).change).toBeUndefined();
  });

  test('is woken by a request that waits, and by one that came and went', () => {
    const { ledger } = planned(emptyLedger);
    const later = { pods: [], nowMs: 1_100_000 };
    expect(planned(ledger, { ...later, demand: { running: 0, held: 0, idleMs: 160_000 } }).change).toBeUndefined();
    for (const demand of [
      { running: 0, held: 1, idleMs: 0 },
      { running: 0, held: 0, idleMs: 500 },
    ]) {
      const woken = planned(ledger, { ...later, demand });
      expect(woken.change).toBe('waking');
      expect(woken.ledger.pausesMs).toEqual([160_000]);
    }
  });

  test('measures what a wake takes, from the wish until every stage is served', () => {
    let { ledger } = planned(emptyLedger);
    expect(expectedWakeMs(ledger)).toBe(30_000);
    ledger = planned(ledger, { pods: [], nowMs: 2_000_000, demand: { running: 0, held: 1, idleMs: 0 } }).ledger;
    expect(planned(ledger, { pods: three().slice(1), nowMs: 2_010_000 })).toEqual({ ledger });
    const { ledger: awake, change } = planned(ledger, { nowMs: 2_012_000 });
    expect([change, awake.sleep, expectedWakeMs(awake)]).toEqual(['awake', undefined, 12_000]);
  });

  test('does not take it for a wake when its pods had not gone yet', () => {
    let { ledger } = planned(emptyLedger);
    ledger = planned(ledger, { nowMs: 1_000_100, demand: { running: 0, held: 1, idleMs: 0 } }).ledger;
    expect(planned(ledger, { nowMs: 1_000_200 })).toEqual({ ledger });
    expect(planned(ledger, { nowMs: 1_003_100 })).toMatchObject({ change: 'awake', ledger: { wakesMs: [] } });
  });

  test('is kept up while requests are expected sooner than a wake pays', () => {
    const wakes = { ...emptyLedger, wakesMs: [5_000] };
    const soon = [90_000, 90_000, 90_000].reduce(withPause, wakes);
    expect(planned(soon)).toEqual({ ledger: soon, change: 'kept up' });
    const late = [900_000, 900_000, 900_000].reduce(withPause, wakes);
    expect(planned(late).change).toBe('fell asleep');
    // The same pauses, with a model that takes long to load.
    expect(planned({ ...late, wakesMs: [120_000] }).change).toBe('kept up');
  });

  test('remembers a pause that ended while it was awake, where that was long enough to sleep', () => {
    const demand = { running: 1, held: 0, idleMs: 0 };
    const input = { ledger: emptyLedger, spec: { sleep }, demand, pods: three(), nowMs: 0, isPerforming: false };
    expect(planSleep({ ...input, idleBeforeMs: 70_000 }).ledger.pausesMs).toEqual([70_000]);
    expect(planSleep({ ...input, idleBeforeMs: 50_000 }).ledger.pausesMs).toEqual([]);
  });

  test('forecasts nothing from fewer than three pauses that lasted as long', () => {
    const ledger = [90_000, 90_000, 30_000].reduce(withPause, emptyLedger);
    expect(expectedPauseMs(ledger, 60_000)).toBeUndefined();
    expect(expectedPauseMs(withPause(ledger, 100_000), 60_000)).toBe(30_000);
  });

  test('has its pods again when its specification does not let it sleep any more', () => {
    const { ledger } = planned(emptyLedger);
    const input = { ledger, spec: {}, demand: undefined, pods: [], nowMs: 0, isPerforming: false };
    expect(planSleep(input).ledger.sleep).toBeUndefined();
  });
});

/** What a pool of pods, requests and a controller did, in the plainest words. */
class Model {
  nowMs = 0;
  lastRequestMs = 0;
  held = 0;
  pods = 3;
  /** Until a pod that was asked for serves. */
  loadingUntilMs: number | undefined;
}

class Real {
  ledger: Ledger = emptyLedger;
  changes: SleepChange[] = [];
}

const loadMs = 5_000;

/** A second passes: pods load or go as the ledger says, requests that wait are served, and the controller looks. */
class Tick implements fc.Command<Model, Real> {
  constructor(
    readonly seconds: number,
    readonly isHeard: boolean,
  ) {}

  check = () => true;

  run(model: Model, real: Real): void {
    for (let i = 0; i < this.seconds; i++) {
      model.nowMs += 1000;
      const wanted = real.ledger.sleep?.state === 'asleep' ? 0 : 3;
      if (wanted === 0) [model.pods, model.loadingUntilMs] = [0, undefined];
      else if (model.pods === 0) model.loadingUntilMs ??= model.nowMs + loadMs;
      if (model.loadingUntilMs !== undefined && model.nowMs >= model.loadingUntilMs) {
        [model.pods, model.loadingUntilMs] = [3, undefined];
      }
      if (model.pods === 3) model.held = 0;
      const { held, nowMs } = model;
      const idleMs = held > 0 ? 0 : nowMs - model.lastRequestMs;
      const demand = this.isHeard ? { running: 0, held, idleMs } : undefined;
      const pods = model.pods === 3 ? three() : [];
      const { ledger, change } = planSleep({ ...real, spec: { sleep }, demand, pods, nowMs, isPerforming: false });
      real.ledger = ledger;
      if (change !== undefined) real.changes.push(change);
      if (change === 'fell asleep') expect([held, idleMs >= sleep.afterMs, this.isHeard]).toEqual([0, true, true]);
    }
    // Who waits and is heard is served within a load and a few looks.
    if (this.isHeard && this.seconds * 1000 > loadMs + 3000) expect(model.held).toBe(0);
    expect(real.ledger.wakesMs.every((wakeMs) => wakeMs >= loadMs && wakeMs <= loadMs + 2000)).toBe(true);
  }

  toString = () => `${this.seconds} s${this.isHeard ? '' : ' unheard'}`;
}

class Request implements fc.Command<Model, Real> {
  check = () => true;

  run(model: Model): void {
    model.lastRequestMs = model.nowMs;
    if (model.pods < 3) model.held++;
  }

  toString = () => 'request';
}

test('whatever comes when, no request waits longer than a wake, and no pool with work falls asleep', () => {
  const commands = fc.commands(
    [
      fc.tuple(fc.integer({ min: 1, max: 120 }), fc.constant(true)).map((of) => new Tick(...of)),
      fc.integer({ min: 1, max: 5 }).map((seconds) => new Tick(seconds, false)),
      fc.constant(new Request()),
    ],
    { maxCommands: 60 },
  );
  fc.assert(fc.property(commands, (run) => fc.modelRun(() => ({ model: new Model(), real: new Real() }), run)));
});
