import { describe, expect, test } from '@jest/globals';
import { Prng } from '@tercet/base';
import { type StepSize, ThreadTuner } from './thread-tuner.js';

const decode: StepSize = { kind: 'decode', tokens: 1 };

/** Runs steps whose time is a function of their threads; returns how often each number was used. */
function run(tuner: ThreadTuner, steps: number, msOf: (threads: number) => number): Map<number, number> {
  const used = new Map<number, number>();
  for (let i = 0; i < steps; i++) {
    const threads = tuner.choose(decode, 4);
    used.set(threads, (used.get(threads) ?? 0) + 1);
    tuner.learn(decode, threads, msOf(threads));
  }
  return used;
}

describe('ThreadTuner', () => {
  test('each number of threads is tried, then the fastest is used', () => {
    const used = run(new ThreadTuner(), 400, (threads) => 12 / threads);
    expect(used.get(4)).toBeGreaterThan(360);
    expect(used.get(1)).toBeGreaterThan(0);
    expect(used.get(2)).toBeGreaterThan(0);
  });

  test('when others take cores, fewer threads are used within a few steps, and more again once they are gone', () => {
    const tuner = new ThreadTuner();
    run(tuner, 100, (threads) => 12 / threads);
    const contended = run(tuner, 200, (threads) => (threads === 1 ? 14 : 60));
    expect(contended.get(1)).toBeGreaterThan(170);
    run(tuner, 6000, (threads) => 12 / threads);
    const free = run(tuner, 100, (threads) => 12 / threads);
    expect(free.get(4)).toBeGreaterThan(80);
  });

  test('what is much slower is tried rarely', () => {
    const used = run(new ThreadTuner(), 2000, (threads) => (threads === 1 ? 1 : 20));
    expect(used.get(1)).toBeGreaterThan(1980);
  });

  test('noise of a single thread does not make it try more of them', () => {
    const random = new Prng(3);
    const tuner = new ThreadTuner();
    const noisy = (threads: number) => (threads === 1 ? 2 * (random.nextFloat() < 0.1 ? 5 : 1) : 400);
    expect(run(tuner, 2000, noisy).get(1)).toBeGreaterThan(1990);
  });

  test('a size that is new begins with what was best for the others', () => {
    const tuner = new ThreadTuner();
    run(tuner, 50, (threads) => (threads === 1 ? 1 : 20));
    expect(tuner.choose({ kind: 'prefill', tokens: 100 }, 4)).toBe(1);
  });

  test('a slow first step, which builds what later ones use, does not decide', () => {
    const tuner = new ThreadTuner();
    let steps = 0;
    const cold = (threads: number) => (steps++ === 0 ? 500 : 0) + 12 / threads;
    run(tuner, 100, cold);
    expect(run(tuner, 100, cold).get(4)).toBeGreaterThan(90);
  });

  test('one core leaves no choice', () => {
    const tuner = new ThreadTuner();
    for (let i = 0; i < 50; i++) {
      expect(tuner.choose(decode, 1)).toBe(1);
      tuner.learn(decode, 1, 5);
    }
  });

  test('noise of a third does not drive it to the slower choice', () => {
    const random = new Prng(1);
    const used = run(new ThreadTuner(), 1000, (threads) => (threads === 4 ? 5 : 10) * (1 + random.nextFloat() / 3));
    expect(used.get(4)).toBeGreaterThan(800);
  });
});
