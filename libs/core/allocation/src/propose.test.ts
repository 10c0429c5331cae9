import { describe, expect, test } from '@jest/globals';
import { disaggregated, groupsOf, nameOf } from './fleet.js';
import { afterMoves, type Move, movesBetween, type ProposeInput, propose } from './propose.js';
import { publishedShape } from './published-shape.js';
import { drawnTrace, type TraceShape } from './testing.js';

const images: TraceShape = { requests: 300, rps: 14, imagesBelow: 9, promptTokens: 200, outputTokens: 40 };
const answers: TraceShape = { requests: 300, rps: 9, imagesBelow: 1, promptTokens: 200, outputTokens: 500 };

function inputOf(more: Partial<ProposeInput> & { readonly shape?: TraceShape } = {}): ProposeInput {
  const { shape = images, ...rest } = more;
  const slo = { ttftMs: 1000, tpotMs: 40, attainment: 0.9 };
  return {
    current: disaggregated(2, 2, 4),
    work: { trace: drawnTrace(shape), shape: publishedShape(), slo },
    factor: 1,
    horizonMs: 60_000,
    switchMs: { encode: 1000, prefill: 1500, decode: 5000 },
    limits: {
      least: { encode: 1, prefill: 1, decode: 1 },
      most: { encode: 64, prefill: 64, decode: 64 },
      unavailableMax: 2,
      dwellMs: 20_000,
      gainMin: 0.02,
      urgentGain: 0.05,
    },
    pending: undefined,
    moving: [],
    recent: [],
    ...rest,
  };
}

const encodeFewer = (split = disaggregated(1, 2, 5)) => inputOf({ current: split });

describe('a proposal', () => {
  test('moves groups to where the workload went, no more at a time than may be away', () => {
    const { kind, target, moves, expected } = propose(encodeFewer());
    expect([kind, moves.length]).toEqual(['move', 2]);
    expect(target.encode).toBeGreaterThan(1);
    expect(moves).toContainEqual({ from: 'decode', to: 'encode' });
    expect(expected.target).toBeGreaterThan(expected.current + 0.05);
  });

  test('a move that is a replacement has to pay for the load as well', () => {
    const cheap = propose(encodeFewer());
    const dear = propose({ ...encodeFewer(), replaceMs: { 'decode-encode': 60_000 } });
    expect(dear.expected.target).toBeLessThan(cheap.expected.target);
  });

  test('stays where nothing better is', () => {
    const { target } = propose(encodeFewer());
    expect(propose(inputOf({ current: target }))).toMatchObject({ kind: 'stay', moves: [] });
  });

  test('a fleet with little to do stays as it is', () => {
    expect(propose(inputOf({ factor: 0.01 }))).toMatchObject({ kind: 'stay', moves: [] });
  });

  test('a gain that is not urgent has to be proposed twice', () => {
    const input = encodeFewer();
    const patient = { ...input, limits: { ...input.limits, urgentGain: 2 } };
    const first = propose(patient);
    expect(first).toMatchObject({ kind: 'wait', reason: 'once', moves: [] });
    expect(propose({ ...patient, pending: first.target }).kind).toBe('move');
  });

  test('after a move there is peace, but for what goes on in its direction', () => {
    const recent = [{ from: 'decode', to: 'encode', agoMs: 5000 }] as const;
    const input = { ...encodeFewer(), recent };
    const waits = propose(input);
    expect(waits).toMatchObject({ kind: 'wait', reason: 'dwell' });
    expect(propose({ ...input, pending: waits.target }).kind).toBe('move');
  });

  test('nothing moves back within the dwell, even where it goes on', () => {
    const recent = [{ from: 'encode', to: 'decode', agoMs: 5000 }] as const;
    const { target } = propose(encodeFewer());
    const { moves } = propose({ ...encodeFewer(), recent, pending: target });
    expect(moves.filter(({ from, to }) => from === 'decode' && to === 'encode')).toEqual([]);
  });

  test('waits for groups that are on their way: they are not there yet, and no more may be away', () => {
    const moving: Move[] = [{ from: 'prefill', to: 'decode' }];
    expect(propose({ ...encodeFewer(), moving }).moves).toHaveLength(1);
    expect(propose({ ...encodeFewer(), moving: [...moving, ...moving] })).toMatchObject({ reason: 'others move' });
    // Of two decoders one is still to come, so the other one has to stay.
    const arriving = propose({ ...encodeFewer(disaggregated(1, 5, 2)), moving: [{ from: 'prefill', to: 'decode' }] });
    expect(arriving.moves.filter(({ from }) => from === 'decode')).toEqual([]);
  });

  test('limits hold a stage where it is', () => {
    const input = encodeFewer();
    const limits = { ...input.limits, most: { encode: 1, prefill: 64, decode: 64 } };
    expect(propose({ ...input, limits }).target.encode).toBe(1);
  });

  test('follows from images to long answers and back', () => {
    const toAnswers = propose(inputOf({ shape: answers, current: disaggregated(5, 2, 1) }));
    expect(toAnswers.target.decode).toBeGreaterThan(1);
    expect(toAnswers.moves.some(({ to }) => to === 'decode')).toBe(true);
  });

  test('a large fleet that is hopelessly wrong finds its way, though a few moves alone would help nothing', () => {
    const current = disaggregated(2, 3, 27);
    const work = { ...inputOf().work, trace: drawnTrace({ ...images, requests: 1500, rps: 60 }) };
    const limits = { ...inputOf().limits, unavailableMax: 8 };
    const { kind, target } = propose({ ...inputOf({ current, limits }), work });
    expect([kind, groupsOf(target)]).toEqual(['move', 32]);
    expect(target.encode).toBeGreaterThan(8);
  });

  test('only three-way splits move', () => {
    expect(() => propose(inputOf({ current: { ...disaggregated(2, 0, 0), serve: 6 } }))).toThrow('three-way');
  });
});

describe('moves', () => {
  test.each([
    [disaggregated(1, 2, 5), disaggregated(4, 2, 2)],
    [disaggregated(6, 1, 1), disaggregated(2, 3, 3)],
    [disaggregated(3, 3, 2), disaggregated(3, 3, 2)],
  ])('lead from one split to the other (%#)', (from, to) => {
    const moves = movesBetween(from, to);
    expect(nameOf(afterMoves(from, moves))).toBe(nameOf(to));
    expect(moves.some((move) => moves.some((other) => move.from === other.to))).toBe(false);
  });

  test('there are none between fleets of different sizes', () => {
    expect(() => movesBetween(disaggregated(1, 1, 1), disaggregated(1, 1, 2))).toThrow('different size');
  });
});
