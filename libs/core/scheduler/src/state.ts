import type { Brand } from '@tercet/base';
import type { PromptShape } from './chunking.js';

/** One piece of work of one request in this engine. */
export type WorkId = Brand<number, 'WorkId'>;

/** A prompt that has no KV slot yet. */
export interface WaitingPrompt extends PromptShape {
  readonly kind: 'prompt';
  readonly id: WorkId;
  readonly tenant: string;
  /** KV blocks that it needs before it can begin. */
  readonly blocks: number;
  /** Tokens whose KV is stored, as last looked up; admission corrects it. */
  readonly cachedTokens: number;
  /** Step at which it arrived. */
  readonly sinceStep: number;
}

/** A sequence that needs a KV slot and no computing yet: its rows are imported. */
export interface WaitingReservation {
  readonly kind: 'reservation';
  readonly id: WorkId;
  readonly tenant: string;
  readonly blocks: number;
  readonly sinceStep: number;
}

export type Waiting = WaitingPrompt | WaitingReservation;

/** A prompt that holds a slot and is computed up to `computedTokens`. */
export interface PrefillingPrompt extends PromptShape {
  readonly id: WorkId;
  readonly computedTokens: number;
}

/** Work without KV that is cut into units: tiles of an encode request, inputs of an embed request. */
export interface UnitWork {
  readonly id: WorkId;
  readonly unitsDone: number;
  /** Cost of every unit in tokens of the step budget. */
  readonly unitTokens: readonly number[];
}

export type StepKind = 'tokens' | 'encode' | 'embed';

/** All that a plan depends on. Lists are in the order of arrival, `decoding` in the order of the next turn. */
export interface SchedulerState {
  readonly step: number;
  readonly waiting: readonly Waiting[];
  readonly prefilling: readonly PrefillingPrompt[];
  readonly decoding: readonly WorkId[];
  readonly encoding: readonly UnitWork[];
  readonly embedding: readonly UnitWork[];
  /** KV that new sequences could have. */
  readonly room: KvRoom;
  /** Turn at which each waiting tenant was last served; absent means never. */
  readonly tenantTurns: ReadonlyMap<string, number>;
  readonly nextTurn: number;
  /** Token steps in a row that left a chunk of an admitted prompt waiting and computed none. */
  readonly chunkWaitedSteps: number;
  readonly lastKind: StepKind;
}

export interface KvRoom {
  readonly blocks: number;
  readonly slots: number;
}

export const emptyState: SchedulerState = {
  step: 0,
  waiting: [],
  prefilling: [],
  decoding: [],
  encoding: [],
  embedding: [],
  room: { blocks: 0, slots: 0 },
  tenantTurns: new Map(),
  nextTurn: 0,
  chunkWaitedSteps: 0,
  lastKind: 'embed',
};

export function withWaiting(state: SchedulerState, work: Waiting): SchedulerState {
  return { ...state, waiting: [...state.waiting, work] };
}

/** A sequence whose KV is complete takes its turns from the next step on. */
export function withDecoding(state: SchedulerState, id: WorkId): SchedulerState {
  return { ...state, decoding: [...state.decoding, id] };
}

export function withUnits(state: SchedulerState, kind: 'encode' | 'embed', work: UnitWork): SchedulerState {
  if (kind === 'encode') return { ...state, encoding: [...state.encoding, work] };
  return { ...state, embedding: [...state.embedding, work] };
}

/** The state without this work, wherever it stands: it ended, failed or was cancelled. */
export function without(state: SchedulerState, id: WorkId): SchedulerState {
  return {
    ...state,
    waiting: state.waiting.filter((work) => work.id !== id),
    prefilling: state.prefilling.filter((work) => work.id !== id),
    decoding: state.decoding.filter((other) => other !== id),
    encoding: state.encoding.filter((work) => work.id !== id),
    embedding: state.embedding.filter((work) => work.id !== id),
  };
}
