import { describe, expect, test } from '@jest/globals';
import { bestSplit } from './best-split.js';
import { goodputBound } from './bound.js';
import { disaggregated, groupsOf, nameOf, splitsOf } from './fleet.js';
import { attainmentAt, goodputOf } from './goodput.js';
import { publishedShape } from './published-shape.js';
import { drawnTrace, type TraceShape } from './testing.js';
import { grown, rateOf } from './trace.js';

const slo = { ttftMs: 400, tpotMs: 40, attainment: 0.9 };
const shape = publishedShape();
const workOf = (more: Partial<TraceShape> = {}) => {
  return { trace: drawnTrace({ requests: 400, rps: 4, imagesBelow: 3, ...more }), shape, slo };
};

describe('goodput', () => {
  test('is the rate at which the objectives just hold', () => {
    const work = workOf();
    const split = disaggregated(1, 1, 2);
    const { rps, attainment } = goodputOf(work, split);
    const factor = rps / rateOf(work.trace);
    expect(attainment).toBeGreaterThanOrEqual(0.9);
    expect(attainmentAt(work, split, factor)).toBeGreaterThanOrEqual(0.9);
    expect(attainmentAt(work, split, factor * 1.05)).toBeLessThan(0.9);
  });

  test('does not depend on where the search begins', () => {
    const work = workOf();
    const found = [0.1, 1, 30].map((from) => goodputOf(work, disaggregated(1, 2, 1), { from }).rps);
    for (const rps of found) expect(Math.abs(rps / (found[0] as number) - 1)).toBeLessThan(0.02);
  });

  test('objectives that cannot be met have none, and the best share is told', () => {
    const hard = { ...workOf(), slo: { ttftMs: 20, tpotMs: 40, attainment: 0.9 } };
    const found = goodputOf(hard, disaggregated(2, 3, 3));
    expect(found.rps).toBe(0);
    expect(found.attainment).toBeLessThan(0.9);
  });
});

describe('the best split', () => {
  test('of eight groups is found among all of them; there are 21 three-way ones', () => {
    const three = bestSplit(workOf(), 8, { variants: false });
    expect([three.rated.length, three.gap]).toEqual([21, 0]);
    const all = bestSplit(workOf(), 8);
    expect(all.rated.length).toBe(21 + 7 + 8);
    expect(new Set(all.rated.map(({ split }) => nameOf(split))).size).toBe(36);
    expect(all.best.rps).toBeGreaterThanOrEqual(three.best.rps);
    expect(all.rated.every(({ split }) => groupsOf(split) === 8)).toBe(true);
  });

  test('follows the workload: images want encoders, long answers want decoders', () => {
    const images = bestSplit(workOf({ imagesBelow: 9, outputTokens: 20 }), 8, { variants: false }).best.split;
    const answers = bestSplit(workOf({ imagesBelow: 2, outputTokens: 600 }), 8, { variants: false }).best.split;
    expect(images.encode).toBeGreaterThan(answers.encode);
    expect(answers.decode).toBeGreaterThan(images.decode);
  });

  test.each([1, 2, 3, 4])('no split is above the bound (seed %d)', (seed) => {
    const work = workOf({ seed, imagesBelow: 1 + 2 * seed, outputTokens: 60 * seed });
    const bound = goodputBound(work, 6);
    for (const split of splitsOf(6, { variants: false })) {
      expect([nameOf(split), goodputOf(work, split).rps <= bound.rps]).toEqual([nameOf(split), true]);
    }
  });

  test('of a larger fleet is found by a search that comes near the bound', () => {
    const { trace } = workOf();
    const work = { trace: grown(trace, 8), shape, slo };
    const found = bestSplit(work, 32);
    expect(groupsOf(found.best.split)).toBe(32);
    expect(found.gap).toBeLessThan(0.25);
    const small = bestSplit(workOf(), 8, { variants: false });
    expect(found.best.rps).toBeGreaterThan(3.5 * small.best.rps);
  });
});
