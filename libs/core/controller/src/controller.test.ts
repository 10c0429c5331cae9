import { describe, expect, test } from '@jest/globals';
import { disaggregated, nameOf, publishedShape } from '@tercet/allocation';
import { Controller, type LedgerStore, type Pods } from './controller.js';
import type { Ledger } from './ledger.js';
import type { Outcome } from './outcomes.js';
import type { Ask } from './plan-pass.js';
import { splitOf } from './pool.js';
import { FakePods, testSpec as spec } from './testing.js';

const shape = publishedShape();
const never = new AbortController().signal;

/** A controller over fake pods in fake time. */
class Bed {
  nowMs = 1_000_000;
  readonly pods = new FakePods({
    a: 'encode',
    b: 'prefill',
    c: 'prefill',
    d: 'decode',
    e: 'decode',
    f: 'decode',
    g: 'decode',
    h: 'decode',
  });
  readonly failures: string[] = [];
  readonly log: string[] = [];
  saved: Ledger | undefined;
  isStoreBroken = false;
  refuses = false;

  open(): Promise<Controller> {
    const store: LedgerStore = {
      load: async () => this.saved,
      save: async (ledger) => {
        if (this.isStoreBroken) throw new Error('the disk is full');
        this.log.push('saved');
        this.saved = ledger;
      },
    };
    const pods: Pods = {
      states: async () => this.pods.states(),
      setRole: async (ask: Ask) => {
        this.log.push('asked');
        if (this.refuses || !this.pods.ask(ask)) throw new Error('epoch_stale');
        this.pods.step();
        this.pods.step();
      },
    };
    const clock = { nowMs: () => this.nowMs, unixMs: () => this.nowMs };
    const switchMs = { encode: 1000, prefill: 1500, decode: 5000 };
    const onFailure = ({ podId }: Ask) => void this.failures.push(podId);
    return Controller.open({ spec, pods, store, shape, switchMs, clock, onFailure });
  }

  /** Requests with eight images each, some a second, for a time. */
  hear(controller: Controller, seconds: number, { rps = 8, ttftMs = 400 } = {}): void {
    for (let i = 0; i < seconds * rps; i++) {
      this.nowMs += 1000 / rps;
      const request = { images: 8, patches: 8 * 576, promptTokens: 400, cachedTokens: 0, outputTokens: 40 };
      const outcome: Outcome = { arrivalMs: this.nowMs, request, ttftMs, tpotMs: 25 };
      controller.heardOutcome(outcome);
    }
  }

  split(controller: Controller): string {
    return nameOf(splitOf(controller.ledger, this.pods.states()));
  }
}

async function pass(controller: Controller) {
  const made = await controller.pass(never);
  await controller.settled();
  return made;
}

describe('the controller', () => {
  test('moves pods to the stage that its requests want', async () => {
    const bed = new Bed();
    const controller = await bed.open();
    expect((await pass(controller)).kind).toBe('rest');
    bed.hear(controller, 20);
    expect(await pass(controller)).toMatchObject({ kind: 'move' });
    for (let i = 0; i < 4; i++) {
      bed.hear(controller, 5);
      await pass(controller);
    }
    const { encode } = splitOf(controller.ledger, bed.pods.states());
    expect(encode).toBeGreaterThanOrEqual(3);
    expect([controller.ledger.moves, bed.failures]).toEqual([[], []]);
  });

  test('writes down what it will do before it asks; when it cannot, it asks nobody', async () => {
    const bed = new Bed();
    const controller = await bed.open();
    await pass(controller);
    bed.hear(controller, 20);
    bed.log.length = 0;
    bed.isStoreBroken = true;
    await expect(pass(controller)).rejects.toThrow('disk');
    expect(bed.log).toEqual([]);
    bed.isStoreBroken = false;
    await pass(controller);
    expect(bed.log[0]).toBe('saved');
    expect(bed.log.slice(1)).toEqual(['asked', 'asked']);
  });

  test('a refused move is told, and is as if it had not been', async () => {
    const bed = new Bed();
    const controller = await bed.open();
    await pass(controller);
    bed.hear(controller, 20);
    bed.refuses = true;
    await pass(controller);
    expect(bed.failures).toHaveLength(2);
    bed.refuses = false;
    const { findings } = await pass(controller);
    expect(findings.map(({ kind }) => kind)).toEqual(['undone', 'undone']);
  });

  test('one that begins anew goes on from what was written down', async () => {
    const bed = new Bed();
    const first = await bed.open();
    await pass(first);
    bed.hear(first, 20);
    await pass(first);
    await pass(first);
    const podId = bed.pods.states().find(({ role }) => role === 'prefill')?.podId ?? '';
    bed.pods.restart(podId);
    const second = await bed.open();
    expect(await pass(second)).toMatchObject({ kind: 'assign', asks: [{ podId, role: 'prefill' }] });
    expect(second.ledger.decisions).toHaveLength(1);
  });

  test('takes back a move after which requests fared worse than they would have', async () => {
    const bed = new Bed();
    const controller = await bed.open();
    await pass(controller);
    const before = bed.split(controller);
    bed.hear(controller, 35, { rps: 2 });
    bed.hear(controller, 20);
    await pass(controller);
    await pass(controller);
    expect(bed.split(controller)).not.toBe(before);
    bed.hear(controller, 40, { rps: 2, ttftMs: 5000 });
    const { kind, judged } = await pass(controller);
    expect([kind, judged?.verdict?.kind]).toEqual(['take back', 'taken back']);
    await pass(controller);
    expect(bed.split(controller)).toBe(before);
  });

  test('a fleet of one pod a stage rests, whatever comes', async () => {
    const bed = new Bed();
    for (const podId of ['c', 'e', 'f', 'g', 'h']) bed.pods.remove(podId);
    const controller = await bed.open();
    await pass(controller);
    bed.hear(controller, 20);
    expect(await pass(controller)).toMatchObject({ kind: 'rest', asks: [] });
    expect(splitOf(controller.ledger, bed.pods.states())).toEqual(disaggregated(1, 1, 1));
  });
});
