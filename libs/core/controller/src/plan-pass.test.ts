import { describe, expect, test } from '@jest/globals';
import { afterMoves, disaggregated, movesBetween, type Proposal, type Split } from '@tercet/allocation';
import fc from 'fast-check';
import { type Decision, emptyLedger, type Ledger, withoutSleep } from './ledger.js';
import { type Pass, type PassInput, planPass } from './plan-pass.js';
import { type PoolSpec, splitOf } from './pool.js';
import { FakePods, testSpec as spec } from './testing.js';

const eight = () =>
  new FakePods({
    a: 'encode',
    b: 'encode',
    c: 'prefill',
    d: 'prefill',
    e: 'decode',
    f: 'decode',
    g: 'decode',
    h: 'decode',
  });

function proposalFor(current: Split, target: Split, batch = 2): Proposal {
  const moves = movesBetween(current, target).slice(0, batch);
  const expected = { current: 0.5, target: 0.9 };
  return moves.length === 0
    ? { kind: 'stay', target, moves, reason: 'best already', expected }
    : { kind: 'move', target, moves, reason: 'better', expected };
}

/** A controller over fake pods, pass by pass. */
class Loop {
  ledger: Ledger = emptyLedger;
  nowMs = 0;
  target: Split | undefined;
  judged: { realised: number; counterfactual: number } | undefined;
  readonly performing = new Set<string>();

  constructor(
    readonly pods: FakePods,
    readonly more: Partial<PoolSpec> = {},
  ) {}

  /** @param crash ends the controller after it wrote down what it will do, before it asks */
  async pass({ crash = false } = {}): Promise<Pass> {
    for (const podId of this.performing) if (!this.pods.isSwitching(podId)) this.performing.delete(podId);
    const input: PassInput = {
      ledger: this.ledger,
      pods: this.pods.states(),
      spec: { ...spec, ...this.more },
      nowMs: this.nowMs,
      performing: this.performing,
      propose: async ({ current }) => proposalFor(current, this.target ?? current),
      baseline: async () => ({ realised: 0.5, simulated: 0.5 }),
      judge: async () => this.judged,
    };
    const pass = await planPass(input);
    this.ledger = pass.ledger;
    this.nowMs += 5000;
    if (crash) {
      this.performing.clear();
      return pass;
    }
    for (const ask of pass.asks) if (this.pods.ask(ask)) this.performing.add(ask.podId);
    return pass;
  }

  async settle(passes = 6): Promise<void> {
    for (let i = 0; i < passes; i++) {
      await this.pass();
      this.pods.step();
    }
  }

  get split(): Split {
    return splitOf(this.ledger, this.pods.states());
  }

  get last(): Decision | undefined {
    return this.ledger.decisions.at(-1);
  }
}

describe('a pass', () => {
  test('takes pods as they are, and rests', async () => {
    const loop = new Loop(eight());
    expect(await loop.pass()).toMatchObject({ kind: 'rest', asks: [] });
    expect(loop.ledger.assignments).toHaveLength(8);
    expect(loop.split).toEqual(disaggregated(2, 2, 4));
  });

  test('moves nothing while the pool wakes: its pods return to the roles that they had', async () => {
    const pods = new FakePods({ a: 'encode', b: 'encode', c: 'decode' });
    const loop = new Loop(pods);
    loop.target = disaggregated(1, 1, 1);
    const sleep = { state: 'waking', sinceMs: 0, idleSinceMs: 0, wasEmpty: true } as const;
    loop.ledger = { ...emptyLedger, sleep };
    expect(await loop.pass()).toMatchObject({ kind: 'rest', asks: [], problems: [] });
    loop.ledger = withoutSleep(loop.ledger);
    expect((await loop.pass()).kind).toBe('repair');
  });

  test('moves the least busy pods, in the epoch in which it saw them, and sees the moves through', async () => {
    const loop = new Loop(eight());
    for (const podId of ['e', 'f', 'g']) loop.pods.busy(podId, 3);
    loop.target = disaggregated(4, 2, 2);
    const { kind, asks } = await loop.pass();
    expect(kind).toBe('move');
    expect(asks[0]).toEqual({ podId: 'h', role: 'encode', expectedEpoch: 1n, aboveEpoch: 1n });
    expect(asks).toHaveLength(2);
    await loop.settle();
    expect(loop.split).toEqual(disaggregated(4, 2, 2));
    expect(loop.ledger.moves).toEqual([]);
    expect(loop.last).toMatchObject({ before: disaggregated(2, 2, 4), target: disaggregated(4, 2, 2) });
    expect(loop.last?.doneMs).toBeGreaterThan(0);
  });

  test('`recommend` says what it would do and asks nobody; `manual` does not even say', async () => {
    const recommending = new Loop(eight(), { policy: 'recommend' });
    recommending.target = disaggregated(4, 2, 2);
    expect(await recommending.pass()).toMatchObject({ kind: 'recommend', asks: [], proposal: { kind: 'move' } });
    expect(recommending.ledger.decisions).toEqual([]);
    const manual = new Loop(eight(), { policy: 'manual' });
    manual.target = disaggregated(4, 2, 2);
    expect(await manual.pass()).toMatchObject({ kind: 'rest', asks: [] });
  });

  test.each(['auto', 'recommend', 'manual'] as const)(
    'gives a pod that returns its recorded role (%s)',
    async (policy) => {
      const loop = new Loop(eight(), { policy });
      await loop.pass();
      loop.pods.restart('c');
      expect(await loop.pass()).toMatchObject({
        kind: 'assign',
        asks: [{ podId: 'c', role: 'prefill', expectedEpoch: 0n, aboveEpoch: 1n }],
      });
      await loop.settle();
      expect(loop.split).toEqual(disaggregated(2, 2, 4));
    },
  );

  test('a new pod goes to the stage with the fewest', async () => {
    const loop = new Loop(
      new FakePods({ a: 'encode', b: 'prefill', c: 'prefill', d: 'decode', e: undefined, f: undefined }),
    );
    await loop.pass();
    await loop.settle();
    expect(loop.split).toEqual(disaggregated(2, 2, 2));
  });

  test('a pod that is away keeps its place in its stage: one that comes without a role fills another', async () => {
    const pods = new FakePods({ a: 'encode', b: 'prefill', c: undefined });
    const loop = new Loop(pods);
    await loop.settle();
    pods.remove('a');
    pods.remove('c');
    loop.ledger = { ...loop.ledger, assignments: loop.ledger.assignments.filter(({ podId }) => podId !== 'c') };
    pods.restart('d');
    expect((await loop.pass()).asks).toMatchObject([{ podId: 'd', role: 'decode' }]);
  });

  test('a stage that has fewer pods than it must gets them from those that can spare the most', async () => {
    const loop = new Loop(new FakePods({ a: 'prefill', b: 'decode', c: 'decode', d: 'decode', e: 'decode' }));
    expect(await loop.pass()).toMatchObject({ kind: 'repair', asks: [{ role: 'encode' }] });
    await loop.settle();
    expect(loop.split).toEqual(disaggregated(1, 1, 3));
    const tooFew = new Loop(new FakePods({ a: 'prefill', b: 'decode' }));
    expect(await tooFew.pass()).toMatchObject({ kind: 'rest', asks: [] });
  });

  test('a role that somebody else changed in a later epoch is theirs to change', async () => {
    const loop = new Loop(eight(), { policy: 'manual' });
    await loop.pass();
    loop.pods.ask({ podId: 'h', role: 'prefill', expectedEpoch: 1n, aboveEpoch: 1n });
    loop.pods.step();
    loop.pods.step();
    expect((await loop.pass()).findings).toEqual([{ kind: 'changed by others', podId: 'h' }]);
    expect(loop.split).toEqual(disaggregated(2, 3, 3));
  });

  test('a pod that refuses the calls of its role counts for nothing, and is replaced where it must be', async () => {
    const loop = new Loop(new FakePods({ a: 'encode', b: 'prefill', c: 'decode', d: 'decode' }));
    await loop.pass();
    loop.pods.refuse('b', true);
    const { findings, kind, asks } = await loop.pass();
    expect(findings).toEqual([{ kind: 'refuses its role', podId: 'b' }]);
    expect([kind, asks]).toMatchObject(['repair', [{ podId: 'c', role: 'prefill' }]]);
    await loop.settle();
    loop.pods.refuse('b', false);
    await loop.settle();
    expect(loop.split).toEqual(disaggregated(1, 2, 1));
  });

  test('a pod whose epoch went back has to take a later one', async () => {
    const loop = new Loop(eight());
    loop.pods.ask({ podId: 'c', role: 'decode', expectedEpoch: 1n, aboveEpoch: 8n });
    await loop.settle();
    expect(loop.pods.states().find(({ podId }) => podId === 'c')?.epoch).toBe(9n);
    loop.pods.restart('c', 'decode');
    const { findings, asks } = await loop.pass();
    expect(findings).toEqual([{ kind: 'epoch went back', podId: 'c' }]);
    expect(asks).toEqual([{ podId: 'c', role: 'decode', expectedEpoch: 1n, aboveEpoch: 9n }]);
    await loop.settle();
    expect(loop.ledger.assignments.find(({ podId }) => podId === 'c')).toMatchObject({ role: 'decode', epoch: 10n });
  });

  test('limits that no split keeps are told, and nothing is proposed', async () => {
    const more = { least: { encode: 3, prefill: 3, decode: 3 } };
    const tooFew = new Loop(eight(), more);
    tooFew.target = disaggregated(4, 2, 2);
    expect(await tooFew.pass()).toMatchObject({ problems: [{ kind: 'least above pods', pods: 8 }] });
    const tooMany = new Loop(eight(), { most: { encode: 2, prefill: 2, decode: 2 } });
    tooMany.target = disaggregated(4, 2, 2);
    expect(await tooMany.pass()).toMatchObject({
      kind: 'rest',
      asks: [],
      problems: [{ kind: 'most below pods', pods: 8 }],
    });
  });

  test('objectives that no split meets are told, with what the best one would reach', async () => {
    const loop = new Loop(eight(), { slo: { ...spec.slo, attainment: 0.95 } });
    loop.target = disaggregated(4, 2, 2);
    const problem = { kind: 'objectives out of reach', attainment: 0.95, best: 0.9, split: disaggregated(4, 2, 2) };
    expect(await loop.pass()).toMatchObject({ kind: 'move', problems: [problem] });
    expect((await new Loop(eight(), { slo: { ...spec.slo, attainment: 0.5 } }).pass()).problems).toEqual([]);
  });

  test('a decision that hurt is taken back, and one that did not is kept', async () => {
    for (const [realised, expected] of [
      [0.6, disaggregated(2, 2, 4)],
      [0.79, disaggregated(4, 2, 2)],
    ] as const) {
      const loop = new Loop(eight());
      loop.target = disaggregated(4, 2, 2);
      await loop.settle();
      loop.target = undefined;
      loop.judged = { realised, counterfactual: 0.8 };
      await loop.settle(20);
      expect(loop.split).toEqual(expected);
      expect(loop.last?.verdict?.kind).toBe(realised === 0.6 ? 'taken back' : 'kept');
    }
  });

  test('the last pod of a stage stays, whatever is proposed', async () => {
    const loop = new Loop(new FakePods({ a: 'encode', b: 'prefill', c: 'decode', d: 'decode' }));
    loop.target = disaggregated(2, 0, 2);
    expect((await loop.pass()).asks).toEqual([]);
  });

  test('a controller that ended before it asked has moved nothing, and begins again', async () => {
    const loop = new Loop(eight());
    loop.target = disaggregated(4, 2, 2);
    await loop.pass({ crash: true });
    expect(loop.ledger.moves).toHaveLength(2);
    expect((await loop.pass()).findings.map(({ kind }) => kind)).toEqual(['undone', 'undone']);
    await loop.settle();
    expect(loop.split).toEqual(disaggregated(4, 2, 2));
  });

  test('a pod that ends while it moves gets the role it was moving to', async () => {
    const loop = new Loop(eight());
    loop.target = disaggregated(3, 2, 3);
    const [ask] = (await loop.pass()).asks;
    loop.pods.restart(ask?.podId ?? '');
    await loop.settle();
    expect(loop.split).toEqual(disaggregated(3, 2, 3));
    expect(loop.ledger.assignments.find(({ podId }) => podId === ask?.podId)?.role).toBe('encode');
  });
});

const anyEvent = fc.oneof(
  fc.constant({ kind: 'pass' as const }),
  fc.constant({ kind: 'pass' as const }),
  fc.constant({ kind: 'step' as const }),
  fc.constant({ kind: 'crash' as const }),
  fc.record({ kind: fc.constant('restart' as const), pod: fc.nat({ max: 7 }), role: fc.boolean() }),
  fc.record({ kind: fc.constant('target' as const), encode: fc.integer({ min: 1, max: 6 }), rest: fc.nat({ max: 4 }) }),
);

test('whatever happens, no stage loses its last pod by a move, and in the end all is as it was decided', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyEvent, { maxLength: 60 }), async (events) => {
      const loop = new Loop(eight());
      const names = [...'abcdefgh'];
      await loop.pass();
      for (const event of events) {
        if (event.kind === 'step') loop.pods.step();
        if (event.kind === 'restart') loop.pods.restart(names[event.pod] as string, event.role ? 'decode' : undefined);
        if (event.kind === 'target') {
          const prefill = 1 + (event.rest % (7 - event.encode));
          loop.target = disaggregated(event.encode, prefill, 8 - event.encode - prefill);
        }
        if (event.kind !== 'pass' && event.kind !== 'crash') continue;
        await loop.pass({ crash: event.kind === 'crash' });
        const { encode, prefill, decode } = loop.split;
        expect(Math.min(encode, prefill, decode)).toBeGreaterThanOrEqual(1);
      }
      await loop.settle(40);
      expect(loop.ledger.moves).toEqual([]);
      for (const pod of loop.pods.states()) {
        expect(pod.role).toBe(loop.ledger.assignments.find(({ podId }) => podId === pod.podId)?.role);
      }
      if (loop.target !== undefined) expect(loop.split).toEqual(loop.target);
    }),
    { numRuns: 500 },
  );
});

test('moves lead where the proposal says', () => {
  const from = disaggregated(2, 2, 4);
  const proposal = proposalFor(from, disaggregated(4, 2, 2));
  expect(afterMoves(from, proposal.moves)).toEqual(disaggregated(4, 2, 2));
});
