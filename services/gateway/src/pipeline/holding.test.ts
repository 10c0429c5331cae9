import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import type { wire } from '@tercet/contracts';
import { systemClock } from '@tercet/telemetry';
import { Demand } from './demand.js';
import { Holding } from './holding.js';

const never = new AbortController().signal;

/** Pods that are there or not, and a pool of which its controller said something. */
class Bed {
  pod: string | undefined;
  sleep: wire.PoolSleep | undefined;
  reports = 0;
  readonly demand = new Demand(['m'], systemClock);
  readonly holding: Holding;
  #changed = Promise.withResolvers<void>();

  constructor(limits: { podWaitMs?: number; holdMs?: number; heldMax?: number } = {}) {
    this.holding = new Holding({
      pods: { changed: (signal) => Promise.race([this.#changed.promise, aborted(signal)]) },
      pools: { sleepOf: () => this.sleep, reportSoon: () => void this.reports++ },
      demand: this.demand,
      limits: { podWaitMs: 20, holdMs: 10_000, heldMax: 2, ...limits },
      clock: systemClock,
    });
  }

  wait(signal = never): Promise<string> {
    using _here = this.holding.enter('m');
    return this.holding.until('m', () => this.pod, signal);
  }

  appear(): void {
    this.pod = 'a pod';
    this.sleep = undefined;
    this.#changed.resolve();
  }
}

const asleep = { state: 'asleep', sinceUnixMs: 0n, wakeMs: 30_000 };

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}

describe('a request that finds no pod', () => {
  test('waits for one that should be there no longer than its time', async () => {
    const bed = new Bed();
    await expect(bed.wait()).rejects.toMatchObject({ code: 'no_pod' });
    expect(bed.demand.report()).toMatchObject([{ running: 0, held: 0 }]);
  });

  test('is held while the pool wakes, is told of at once, and goes on with the first pod', async () => {
    const bed = new Bed({ podWaitMs: 1 });
    bed.sleep = asleep;
    const answer = bed.wait();
    expect([bed.reports, bed.demand.report()[0]?.held]).toEqual([1, 1]);
    await sleep(50);
    bed.appear();
    expect(await answer).toBe('a pod');
    expect(bed.demand.report()[0]?.held).toBe(0);
  });

  test('is held as well when the pool falls asleep under it', async () => {
    const bed = new Bed({ podWaitMs: 400 });
    const answer = bed.wait();
    bed.sleep = asleep;
    await sleep(600);
    bed.appear();
    expect(await answer).toBe('a pod');
  });

  test('is refused with the time of a wake when too many wait for the pool; a place is free again', async () => {
    const bed = new Bed();
    bed.sleep = asleep;
    const left = new AbortController();
    const waiting = [bed.wait(), bed.wait(left.signal)];
    await expect(bed.wait()).rejects.toMatchObject({
      code: 'pool_waking',
      details: { heldMax: 2, retryAfterMs: 30_000 },
    });
    left.abort(new Error('the client left'));
    await expect(waiting[1]).rejects.toThrow('the client left');
    waiting.push(bed.wait());
    bed.appear();
    expect(await Promise.all([waiting[0], waiting[2]])).toEqual(['a pod', 'a pod']);
  });

  test('is refused when the pool does not wake in time, with what is left of a wake', async () => {
    const bed = new Bed({ holdMs: 30 });
    bed.sleep = { ...asleep, state: 'waking', sinceUnixMs: BigInt(Math.round(systemClock.unixMs() - 20_000)) };
    const refused = await bed.wait().catch((error) => error);
    expect(refused).toMatchObject({ code: 'pool_waking', retry: 'later', details: { holdMs: 30 } });
    expect(refused.details.retryAfterMs).toBeGreaterThan(8000);
    expect(refused.details.retryAfterMs).toBeLessThan(10_001);
  });
});
