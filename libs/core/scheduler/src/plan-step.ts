import { assert } from '@tercet/base';
import { type ChunkRange, chunkAt } from './chunking.js';
import { FairOrder } from './fair-order.js';
import type { SchedulerState, StepKind, UnitWork, WaitingPrompt, WorkId } from './state.js';

export interface StepLimits {
  /** Tokens that one step computes at most; at least `chunkTokens`. */
  readonly stepTokensMax: number;
  /** Grid of chunk borders in every prompt. */
  readonly chunkTokens: number;
  /** Steps that a chunk is left waiting for decodes before it goes ahead of them. */
  readonly chunkWaitStepsMax: number;
  /** Steps after which waiting work is served in order of arrival, whoever sent it. */
  readonly agedSteps: number;
}

export interface PlannedChunk extends ChunkRange {
  readonly id: WorkId;
  /** Ends the prompt: its logits give the first token. */
  readonly last: boolean;
}

export type StepPlan =
  | { readonly kind: 'idle' }
  | {
      readonly kind: 'tokens';
      /** Waiting work that gets its KV slot now, in this order. */
      readonly admissions: readonly WorkId[];
      readonly decodes: readonly WorkId[];
      readonly chunks: readonly PlannedChunk[];
    }
  | { readonly kind: 'encode' | 'embed'; readonly id: WorkId; readonly fromUnit: number; readonly toUnit: number };

export type TokensPlan = Extract<StepPlan, { kind: 'tokens' }>;

const kinds: readonly StepKind[] = ['tokens', 'encode', 'embed'];

/**
 * What the next step computes: decodes first, then prompts that are partly prefilled, then new prompts, within
 * `stepTokensMax`. A chunk runs whole or not at all. Kinds of steps take turns. Pure.
 * Cost: proportional to the sequences in the plan, and to the waiting work for each admission.
 * @see Agrawal et al. 2024, Sarathi-Serve, arXiv:2403.02310, Algorithm 3. Departs from it: chunk borders lie on an
 * absolute grid instead of filling the budget, memory is reserved ahead instead of preempting, and a chunk that waited
 *   `chunkWaitStepsMax` steps goes before the decodes.
 */
export function planStep(state: SchedulerState, limits: StepLimits): StepPlan {
  assert(limits.chunkTokens >= 1 && limits.stepTokensMax >= limits.chunkTokens, 'a chunk must fit a step', limits);
  const last = kinds.indexOf(state.lastKind);
  for (let i = 1; i <= kinds.length; i++) {
    const plan = planKind(kinds[(last + i) % kinds.length] as StepKind, state, limits);
    if (plan.kind !== 'idle') return plan;
  }
  return { kind: 'idle' };
}

/** Tokens that the step computes, cached ones not among them. */
export function spentTokens(plan: StepPlan): number {
  if (plan.kind !== 'tokens') return 0;
  return plan.chunks.reduce((sum, chunk) => sum + chunk.end - chunk.start, plan.decodes.length);
}

function planKind(kind: StepKind, state: SchedulerState, limits: StepLimits): StepPlan {
  if (kind === 'tokens') return planTokens(state, limits);
  const work = kind === 'encode' ? state.encoding[0] : state.embedding[0];
  if (work === undefined) return { kind: 'idle' };
  return { kind, id: work.id, fromUnit: work.unitsDone, toUnit: unitsEnd(work, limits.stepTokensMax) };
}

/** At least one unit, and as many more of the same request as the budget holds. */
function unitsEnd(work: UnitWork, tokensMax: number): number {
  let end = work.unitsDone;
  let left = tokensMax;
  while (end < work.unitTokens.length) {
    const cost = work.unitTokens[end] as number;
    if (cost > left && end > work.unitsDone) break;
    left -= cost;
    end++;
  }
  return end;
}

function planTokens(state: SchedulerState, limits: StepLimits): StepPlan {
  const { prefilling, decoding } = state;
  const chunks: PlannedChunk[] = [];
  const heldTokens = state.chunkWaitedSteps >= limits.chunkWaitStepsMax ? nextChunkTokens(state, limits) : 0;
  const decodesMax = limits.stepTokensMax - heldTokens;
  const decodes = decoding.length <= decodesMax ? decoding : decoding.slice(0, decodesMax);
  let left = limits.stepTokensMax - decodes.length;
  for (const prompt of prefilling) {
    const chunk = plannedChunk(prompt.id, prompt, prompt.computedTokens, limits);
    if (chunk.end - chunk.start > left) {
      left = 0;
      break;
    }
    chunks.push(chunk);
    left -= chunk.end - chunk.start;
  }
  const admissions = planAdmissions(state, limits, { chunks, left });
  if (admissions.length + decodes.length + chunks.length === 0) return { kind: 'idle' };
  return { kind: 'tokens', admissions, decodes, chunks };
}

/** Tokens of the chunk whose turn it is, or 0 when none could run now. */
function nextChunkTokens(state: SchedulerState, limits: StepLimits): number {
  const admitted = state.prefilling[0];
  if (admitted !== undefined) {
    const { start, end } = chunkAt(admitted.computedTokens, admitted, limits.chunkTokens);
    return end - start;
  }
  const order = new FairOrder(state, limits.agedSteps);
  for (let work = order.peek(); work !== undefined; work = order.peek()) {
    if (state.room.slots === 0 || work.blocks > state.room.blocks) return 0;
    if (work.kind === 'prompt') {
      const { start, end } = chunkAt(work.cachedTokens, work, limits.chunkTokens);
      return end - start;
    }
    order.skip(work);
  }
  return 0;
}

/** Admits in fair order until KV room ends; a prompt also needs budget for its first chunk, a reservation does not. */
function planAdmissions(
  state: SchedulerState,
  limits: StepLimits,
  out: { chunks: PlannedChunk[]; left: number },
): WorkId[] {
  const admissions: WorkId[] = [];
  let { blocks, slots } = state.room;
  if (state.waiting.length === 0 || slots === 0) return admissions;
  const order = new FairOrder(state, limits.agedSteps);
  let promptsBlocked = false;
  for (let work = order.peek(); work !== undefined; work = order.peek()) {
    if (slots === 0 || work.blocks > blocks) break;
    if (work.kind === 'prompt') {
      const chunk = plannedChunk(work.id, work, work.cachedTokens, limits);
      if (promptsBlocked || chunk.end - chunk.start > out.left) {
        if (order.isAged(work)) break;
        promptsBlocked = true;
        order.skip(work);
        continue;
      }
      out.chunks.push(chunk);
      out.left -= chunk.end - chunk.start;
    }
    order.take(work);
    admissions.push(work.id);
    slots--;
    blocks -= work.blocks;
  }
  return admissions;
}

function plannedChunk(
  id: WorkId,
  prompt: Pick<WaitingPrompt, 'promptTokens' | 'generatedTokens'>,
  start: number,
  limits: StepLimits,
): PlannedChunk {
  const range = chunkAt(start, prompt, limits.chunkTokens);
  return { ...range, id, last: range.end === prompt.promptTokens };
}
