import { assert } from '@tercet/base';
import type { StepPlan, TokensPlan } from './plan-step.js';
import type { PrefillingPrompt, SchedulerState, UnitWork, Waiting, WorkId } from './state.js';

/** The state after a step that ran as planned. Prompts whose last chunk ran are gone from it: they have their token. */
export function applyStep(state: SchedulerState, plan: StepPlan): SchedulerState {
  const step = state.step + 1;
  switch (plan.kind) {
    case 'idle':
      return state;
    case 'tokens':
      return { ...applyTokens(state, plan), step, lastKind: 'tokens' };
    case 'encode':
      return { ...state, step, lastKind: 'encode', encoding: advance(state.encoding, plan) };
    case 'embed':
      return { ...state, step, lastKind: 'embed', embedding: advance(state.embedding, plan) };
    default:
      return plan satisfies never;
  }
}

/**
 * The plan without an admission that could not be made as planned: the prompt stays in the queue with what is really
 * stored of it, and its turn is not spent.
 */
export function withoutAdmission(plan: TokensPlan, id: WorkId): TokensPlan {
  return {
    ...plan,
    admissions: plan.admissions.filter((admitted) => admitted !== id),
    chunks: plan.chunks.filter((chunk) => chunk.id !== id),
  };
}

/** Corrects what is known to be stored of a waiting prompt. */
export function withCachedTokens(state: SchedulerState, id: WorkId, cachedTokens: number): SchedulerState {
  const waiting = state.waiting.map((work) =>
    work.id === id && work.kind === 'prompt' ? { ...work, cachedTokens } : work,
  );
  return { ...state, waiting };
}

function applyTokens(state: SchedulerState, plan: TokensPlan): SchedulerState {
  return {
    ...state,
    ...applyAdmissions(state, plan),
    prefilling: applyChunks(state, plan),
    decoding: rotated(state.decoding, plan.decodes.length),
    chunkWaitedSteps: chunkWaits(state) && plan.chunks.length === 0 ? state.chunkWaitedSteps + 1 : 0,
  };
}

function applyAdmissions(state: SchedulerState, plan: TokensPlan) {
  const { admissions } = plan;
  if (admissions.length === 0) return {};
  const admitted = new Set(admissions);
  const waiting = state.waiting.filter((work) => !admitted.has(work.id));
  const served = new Map(state.waiting.map((work): [WorkId, Waiting] => [work.id, work]));
  const turns = new Map(state.tenantTurns);
  admissions.forEach((id, i) => {
    const work = served.get(id);
    assert(work !== undefined, 'admitted work that does not wait', { id });
    turns.set(work.tenant, state.nextTurn + i);
  });
  const tenants = new Set(waiting.map((work) => work.tenant));
  const tenantTurns = new Map([...turns].filter(([tenant]) => tenants.has(tenant)));
  return { waiting, tenantTurns, nextTurn: state.nextTurn + admissions.length };
}

function applyChunks(state: SchedulerState, plan: TokensPlan): readonly PrefillingPrompt[] {
  if (plan.chunks.length === 0) return state.prefilling;
  const chunks = new Map(plan.chunks.map((chunk) => [chunk.id, chunk]));
  const before = [...state.prefilling];
  for (const id of plan.admissions) {
    const work = state.waiting.find((other) => other.id === id);
    if (work?.kind !== 'prompt') continue;
    const { promptTokens, generatedTokens } = work;
    before.push({ id, promptTokens, generatedTokens, computedTokens: 0 });
  }
  const after: PrefillingPrompt[] = [];
  for (const prompt of before) {
    const chunk = chunks.get(prompt.id);
    if (chunk === undefined) after.push(prompt);
    else if (!chunk.last) after.push({ ...prompt, computedTokens: chunk.end });
  }
  return after;
}

function chunkWaits(state: SchedulerState): boolean {
  return state.prefilling.length > 0 || state.waiting.some((work) => work.kind === 'prompt');
}

/** Those that ran go to the end, so that a step that is too small for all serves the others next. */
function rotated(decoding: readonly WorkId[], ran: number): readonly WorkId[] {
  if (ran === 0 || ran === decoding.length) return decoding;
  return [...decoding.slice(ran), ...decoding.slice(0, ran)];
}

function advance(list: readonly UnitWork[], plan: { id: WorkId; toUnit: number }): readonly UnitWork[] {
  return list
    .map((work) => (work.id === plan.id ? { ...work, unitsDone: plan.toUnit } : work))
    .filter((work) => work.unitsDone < work.unitTokens.length);
}
