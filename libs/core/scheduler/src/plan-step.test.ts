import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { applyStep, withCachedTokens, withoutAdmission } from './apply-step.js';
import { planStep, type StepLimits, type StepPlan, spentTokens, type TokensPlan } from './plan-step.js';
import {
  emptyState,
  type SchedulerState,
  type Waiting,
  type WorkId,
  withDecoding,
  without,
  withUnits,
  withWaiting,
} from './state.js';

const limits: StepLimits = { stepTokensMax: 40, chunkTokens: 32, chunkWaitStepsMax: 3, agedSteps: 10 };
const roomy = { blocks: 1000, slots: 100 };

describe('planStep', () => {
  test.each([
    { name: 'decodes go first', decodes: 12, prompts: [20, 20], ran: 12, chunks: [20] },
    { name: 'a full step starts no prompt', decodes: 40, prompts: [1], ran: 40, chunks: [] },
    { name: 'a chunk runs whole or not at all', decodes: 20, prompts: [32, 5], ran: 20, chunks: [] },
    { name: 'short prompts share a step', decodes: 1, prompts: [10, 20, 9, 1], ran: 1, chunks: [10, 20, 9] },
    { name: 'a long prompt gives its first chunk', decodes: 3, prompts: [500], ran: 3, chunks: [32] },
    { name: 'more decodes than the budget take turns', decodes: 50, prompts: [], ran: 40, chunks: [] },
  ])('$name', ({ decodes, prompts, ran, chunks }) => {
    const plan = tokensPlan(stateOf({ decodes, prompts }));
    expect(plan.decodes).toHaveLength(ran);
    expect(plan.chunks.map(({ start, end }) => end - start)).toEqual(chunks);
  });

  test('a partly prefilled prompt goes before a new one, whatever tenant it is', () => {
    let state = stateOf({ prompts: [64] });
    state = { ...applyStep(state, planStep(state, limits)), room: roomy };
    state = withWaiting(state, prompt(9, 5, { tenant: 'other' }));
    expect(tokensPlan(state).chunks).toMatchObject([
      { id: 1, start: 32, end: 64, last: true },
      { id: 9, start: 0, end: 5, last: true },
    ]);
  });

  test('a prefix hit leaves only the rest of its grid cell to the first chunk', () => {
    const state = { ...withWaiting(emptyState, prompt(1, 90, { cachedTokens: 48 })), room: roomy };
    expect(tokensPlan(state).chunks).toEqual([{ id: 1, start: 48, end: 64, rows: 'prompt', last: false }]);
  });

  test('memory that is missing for the next in order stops all after it', () => {
    const state = { ...stateOf({ prompts: [30, 5] }), room: { blocks: 1, slots: 9 } };
    expect(planStep(state, limits)).toEqual({ kind: 'idle' });
  });

  test('a reservation needs memory and no budget', () => {
    const state = withWaiting(stateOf({ decodes: 40, prompts: [10] }), reservation(9, 3));
    expect(tokensPlan(state)).toMatchObject({ admissions: [9], chunks: [] });
  });

  test('tenants take turns, each in order of arrival', () => {
    let state: SchedulerState = { ...emptyState, room: roomy };
    for (const [id, tenant] of ['a', 'a', 'a', 'b', 'b', 'c'].entries()) {
      state = withWaiting(state, prompt(id + 1, 30, { tenant }));
    }
    const order: number[] = [];
    while (state.waiting.length > 0) {
      const plan = tokensPlan(state);
      order.push(...plan.admissions);
      state = { ...applyStep(state, plan), room: roomy };
    }
    expect(order).toEqual([1, 4, 6, 2, 5, 3]);
  });

  test('what waited long enough goes in order of arrival', () => {
    let state: SchedulerState = { ...emptyState, step: 10, room: roomy };
    state = withWaiting(state, prompt(1, 30, { tenant: 'a', sinceStep: 0 }));
    state = withWaiting(state, prompt(2, 30, { tenant: 'a', sinceStep: 0 }));
    state = withWaiting(state, prompt(3, 30, { tenant: 'b', sinceStep: 9 }));
    state = { ...state, tenantTurns: new Map([['a', 5]]), nextTurn: 6 };
    expect(tokensPlan(state).admissions).toEqual([1]);
    expect(tokensPlan({ ...state, step: 9 }).admissions).toEqual([3]);
  });

  test('a chunk that decodes left waiting goes ahead of them', () => {
    let state = stateOf({ decodes: 40, prompts: [32] });
    const ran: [number, number][] = [];
    for (let i = 0; i < 5; i++) {
      const plan = tokensPlan(state);
      ran.push([plan.decodes.length, plan.chunks.length]);
      state = { ...applyStep(state, plan), room: roomy };
    }
    expect(ran).toEqual([
      [40, 0],
      [40, 0],
      [40, 0],
      [8, 1],
      [40, 0],
    ]);
  });

  test('kinds of steps take turns, and an encode step takes tiles of one request', () => {
    let state = stateOf({ decodes: 1 });
    state = withUnits(state, 'encode', { id: 20 as WorkId, unitsDone: 0, unitTokens: [20, 20, 20] });
    state = withUnits(state, 'embed', { id: 30 as WorkId, unitsDone: 0, unitTokens: [100, 8] });
    const plans: StepPlan[] = [];
    for (let i = 0; i < 7; i++) {
      const plan = planStep(state, limits);
      plans.push(plan);
      state = applyStep(state, plan);
    }
    expect(plans.map((plan) => ('id' in plan ? [plan.kind, plan.fromUnit, plan.toUnit] : [plan.kind]))).toEqual([
      ['tokens'],
      ['encode', 0, 2],
      ['embed', 0, 1],
      ['tokens'],
      ['encode', 2, 3],
      ['embed', 1, 2],
      ['tokens'],
    ]);
  });

  test('an admission taken out of a plan leaves its prompt where it was', () => {
    const state = stateOf({ prompts: [10, 10] });
    const plan = withoutAdmission(tokensPlan(state), 1 as WorkId);
    expect(applyStep(state, plan).waiting.map(({ id }) => id)).toEqual([1]);
    expect(withCachedTokens(state, 1 as WorkId, 8).waiting[0]).toMatchObject({ cachedTokens: 8 });
  });
});

describe('planStep, any state', () => {
  test('no plan spends more than its budget or its memory, and nothing is in it twice', () =>
    fc.assert(
      fc.property(anyState(), anyLimits(), (state, anyLimit) => {
        const plan = planStep(state, anyLimit);
        expect(spentTokens(plan)).toBeLessThanOrEqual(anyLimit.stepTokensMax);
        if (plan.kind !== 'tokens') return;
        const admitted = state.waiting.filter(({ id }) => plan.admissions.includes(id));
        expect(admitted.reduce((sum, { blocks }) => sum + blocks, 0)).toBeLessThanOrEqual(state.room.blocks);
        expect(plan.admissions.length).toBeLessThanOrEqual(state.room.slots);
        const ids = [...plan.decodes, ...plan.chunks.map(({ id }) => id)];
        expect(new Set(ids).size).toBe(ids.length);
      }),
    ));

  test('a plan is the same for the same state, and leaves the state as it was', () =>
    fc.assert(
      fc.property(anyState(), anyLimits(), (state, anyLimit) => {
        const before = structuredClone(state);
        const plan = planStep(state, anyLimit);
        expect(planStep(structuredClone(state), anyLimit)).toEqual(plan);
        applyStep(state, plan);
        expect(state).toEqual(before);
      }),
    ));

  test('something runs whenever something can', () =>
    fc.assert(
      fc.property(anyState(), anyLimits(), (state, anyLimit) => {
        const { prefilling, decoding, waiting, encoding, embedding } = state;
        const next = { ...state, room: roomy };
        const any = prefilling.length + decoding.length + waiting.length + encoding.length + embedding.length > 0;
        expect(planStep(next, anyLimit).kind !== 'idle').toBe(any);
      }),
    ));

  test('every prompt is computed once, in order and to its end, while decodes never end and others keep coming', () =>
    fc.assert(
      fc.property(anyWaiting(), fc.nat({ max: 60 }), anyLimits(), (waiting, decodes, anyLimit) => {
        let state = stateOf({ decodes });
        for (const work of waiting) state = withWaiting(state, work);
        const computed = new Map<WorkId, number>();
        const waitedDecodes = new Map(state.decoding.map((id) => [id, 0]));
        for (let step = 0; waiting.some((work) => !isDone(work, computed)); step++) {
          expect(step).toBeLessThan(2500);
          state = withWaiting(state, prompt(10_000 + step, 7, { tenant: 'greedy', sinceStep: state.step }));
          const plan = tokensPlan({ ...state, room: roomy }, anyLimit);
          for (const { id, start, end } of plan.chunks) {
            const cached = state.waiting.find((work) => work.id === id);
            expect(start).toBe(computed.get(id) ?? (cached?.kind === 'prompt' ? cached.cachedTokens : -1));
            computed.set(id, end);
          }
          for (const id of plan.admissions) if (!computed.has(id)) computed.set(id, 1);
          for (const [id, steps] of waitedDecodes) waitedDecodes.set(id, plan.decodes.includes(id) ? 0 : steps + 1);
          expect(Math.max(0, ...waitedDecodes.values())).toBeLessThan(200);
          state = applyStep({ ...state, room: roomy }, plan);
        }
      }),
      { numRuns: 60 },
    ));

  test('work that ended is nowhere', () =>
    fc.assert(
      fc.property(anyState(), fc.nat({ max: 60 }), (state, id) => {
        const left = without(state, id as WorkId);
        expect(JSON.stringify(left)).not.toMatch(new RegExp(`"id":${id}[,}]`));
        expect(left.decoding).not.toContain(id);
      }),
    ));
});

function isDone(work: Waiting, computed: ReadonlyMap<WorkId, number>): boolean {
  const tokens = computed.get(work.id) ?? 0;
  return work.kind === 'prompt' ? tokens === work.promptTokens : tokens > 0;
}

function tokensPlan(state: SchedulerState, stepLimits = limits): TokensPlan {
  const plan = planStep({ ...state, lastKind: 'embed' }, stepLimits);
  if (plan.kind !== 'tokens') throw new Error(`planned ${plan.kind}`);
  return plan;
}

function stateOf(options: { decodes?: number; prompts?: readonly number[] }): SchedulerState {
  let state: SchedulerState = { ...emptyState, room: roomy };
  for (let i = 0; i < (options.decodes ?? 0); i++) state = withDecoding(state, (100 + i) as WorkId);
  for (const [i, tokens] of (options.prompts ?? []).entries()) state = withWaiting(state, prompt(i + 1, tokens));
  return state;
}

function prompt(id: number, promptTokens: number, more: Partial<Waiting & { cachedTokens: number }> = {}): Waiting {
  const blocks = Math.ceil(promptTokens / 16);
  const shape = { promptTokens, generatedTokens: 0, cachedTokens: 0, blocks };
  return { tenant: '', sinceStep: 0, ...shape, ...more, kind: 'prompt', id: id as WorkId } as Waiting;
}

function reservation(id: number, blocks: number): Waiting {
  return { kind: 'reservation', id: id as WorkId, tenant: '', blocks, sinceStep: 0 };
}

function anyLimits(): fc.Arbitrary<StepLimits> {
  return fc
    .record({
      more: fc.nat({ max: 40 }),
      chunkTokens: fc.integer({ min: 1, max: 40 }),
      chunkWaitStepsMax: fc.integer({ min: 1, max: 5 }),
      agedSteps: fc.integer({ min: 1, max: 30 }),
    })
    .map(({ more, ...rest }) => ({ ...rest, stepTokensMax: rest.chunkTokens + more }));
}

function anyWaiting(firstId = 1): fc.Arbitrary<Waiting[]> {
  const one = fc.record({
    tenant: fc.constantFrom('', 'a', 'b'),
    promptTokens: fc.integer({ min: 1, max: 120 }),
    generated: fc.nat({ max: 30 }),
    cached: fc.nat({ max: 6 }),
    reserves: fc.boolean(),
  });
  return fc.array(one, { maxLength: 8 }).map((list) =>
    list.map(({ tenant, promptTokens, generated, cached, reserves }, i) => {
      if (reserves) return { ...reservation(firstId + i, Math.ceil(promptTokens / 16)), tenant };
      const cachedTokens = Math.min(cached * 16, Math.floor((promptTokens - 1) / 16) * 16);
      const shape = { generatedTokens: Math.min(generated, promptTokens - 1), cachedTokens, tenant };
      return prompt(firstId + i, promptTokens, shape as Partial<Waiting>);
    }),
  );
}

function anyState(): fc.Arbitrary<SchedulerState> {
  const units = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 4 });
  return fc
    .record({
      step: fc.nat({ max: 50 }),
      waiting: anyWaiting(),
      prefilling: fc.array(fc.tuple(fc.integer({ min: 1, max: 100 }), fc.nat()), { maxLength: 4 }),
      decodes: fc.nat({ max: 50 }),
      encoding: fc.array(units, { maxLength: 2 }),
      embedding: fc.array(units, { maxLength: 2 }),
      room: fc.record({ blocks: fc.nat({ max: 30 }), slots: fc.nat({ max: 6 }) }),
      chunkWaitedSteps: fc.nat({ max: 6 }),
      lastKind: fc.constantFrom('tokens' as const, 'encode' as const, 'embed' as const),
    })
    .map(({ prefilling, decodes, encoding, embedding, ...rest }) => ({
      ...emptyState,
      ...rest,
      prefilling: prefilling.map(([promptTokens, at], i) => {
        return { id: (20 + i) as WorkId, promptTokens, generatedTokens: 0, computedTokens: at % promptTokens };
      }),
      decoding: Array.from({ length: decodes }, (_, i) => (100 + i) as WorkId),
      encoding: encoding.map((unitTokens, i) => ({ id: (40 + i) as WorkId, unitsDone: 0, unitTokens })),
      embedding: embedding.map((unitTokens, i) => ({ id: (50 + i) as WorkId, unitsDone: 0, unitTokens })),
    }));
}
