import { describe, expect, test } from '@jest/globals';
import { disaggregated } from './fleet.js';
import { Planner, type Situation } from './planner.js';
import { publishedShape } from './published-shape.js';
import { drawnTrace, type TraceShape } from './testing.js';
import { requestOf } from './trace.js';

const shape = publishedShape();
const slo = { ttftMs: 1000, tpotMs: 40, attainment: 0.9 };
const images: TraceShape = { requests: 400, rps: 14, imagesBelow: 9, promptTokens: 200, outputTokens: 40 };

function situationAt(nowMs: number, more: Partial<Situation> = {}): Situation {
  return {
    nowMs,
    waiting: 0,
    current: disaggregated(1, 2, 5),
    switchMs: { encode: 1000, prefill: 1500, decode: 5000 },
    limits: {
      least: { encode: 1, prefill: 1, decode: 1 },
      most: { encode: 8, prefill: 8, decode: 8 },
      unavailableMax: 2,
      dwellMs: 20_000,
      gainMin: 0.02,
      urgentGain: 0.05,
    },
    moving: [],
    recent: [],
    ...more,
  };
}

/** Told of requests up to a time. @returns how many */
function tell(planner: Planner, of: TraceShape, untilMs: number): number {
  const trace = drawnTrace(of);
  let told = 0;
  while (told < trace.length && (trace.arrivalMs[told] as number) <= untilMs) {
    planner.addRequest(requestOf(trace, told++));
  }
  return told;
}

describe('the planner', () => {
  test('has nothing to say before enough requests came, or when none came lately', () => {
    const planner = new Planner({ shape, slo });
    expect(planner.propose(situationAt(0))).toBeUndefined();
    tell(planner, images, 1000);
    expect(planner.propose(situationAt(1000))).toBeUndefined();
    tell(planner, images, 10_000);
    expect(planner.propose(situationAt(300_000))).toBeUndefined();
  });

  test('proposes what the requests of the last window want', () => {
    const planner = new Planner({ shape, slo });
    tell(planner, images, 15_000);
    const { kind, target } = planner.propose(situationAt(15_000)) ?? {};
    expect(kind).toBe('move');
    expect(target?.encode).toBeGreaterThan(1);
  });

  test('who waits makes the rest wait: what just suffices without a backlog does not suffice with one', () => {
    const expectedWith = (waiting: number) => {
      const planner = new Planner({ shape, slo });
      tell(planner, images, 15_000);
      return planner.propose(situationAt(15_000, { waiting, current: disaggregated(4, 2, 2) }))?.expected.current ?? 0;
    };
    expect(expectedWith(60)).toBeLessThan(expectedWith(0));
  });

  test('believes what it is told of the costs: encoders that are slower than thought are more', () => {
    const encodersFor = (slowness: number) => {
      const planner = new Planner({ shape, slo });
      const { fixedMs, perPatchMs } = shape.costs.encode;
      for (let i = 0; i < 100; i++) {
        const patches = 64 * (1 + (i % 9));
        planner.addWork('encode', [1, patches], slowness * (fixedMs + perPatchMs * patches));
      }
      expect(planner.shape().costs.encode.perPatchMs).toBeCloseTo(slowness * perPatchMs, 4);
      tell(planner, images, 15_000);
      return planner.propose(situationAt(15_000))?.target.encode ?? 0;
    };
    expect(encodersFor(2)).toBeGreaterThan(encodersFor(0.5));
  });

  test('forgets the oldest of what nobody asks about', () => {
    const planner = new Planner({ shape, slo });
    const request = { images: 0, patches: 0, promptTokens: 100, cachedTokens: 0, outputTokens: 10 };
    for (let i = 0; i < 100_000; i++) planner.addRequest({ ...request, arrivalMs: i / 10 });
    const { expected } = planner.propose(situationAt(10_000)) ?? {};
    expect(expected?.current).toBeGreaterThanOrEqual(0);
    expect(expected?.current).toBeLessThanOrEqual(1);
  });
});
