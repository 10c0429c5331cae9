import { assert } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import { blocksFor, KvCache } from '@tercet/kv';
import {
  emptyState,
  type SchedulerState,
  type StepPlan,
  type WorkId,
  withDecoding,
  without,
  withUnits,
  withWaiting,
} from '@tercet/scheduler';
import type { Backend } from '../backend.js';
import type { EmbeddedEngineOptions } from './options.js';
import { PrefixFeed } from './prefix-feed.js';
import { type DecodeWork, failWork, type SlotHold, type Work } from './work.js';

/**
 * All requests of an engine with the scheduler state and the KV that belong to them: the one owner of what changes. The
 * step loop reads plans from it; requests come and go at any moment, also while a step runs.
 * Invariant: when no work is left and nobody holds a slot, no KV block is pinned.
 */
export class WorkTable {
  readonly options: EmbeddedEngineOptions;
  readonly kv: KvCache;
  readonly prefixes = new PrefixFeed();
  readonly works = new Map<WorkId, Work>();
  state: SchedulerState = emptyState;
  prefixCachedTokens = 0;
  #nextId = 0;
  /** Work of the step that is being computed. */
  #inStep: readonly Work[] = [];
  #stepAbort = new AbortController();
  #heldSlots = 0;
  #changed = Promise.withResolvers<void>();
  #drained: PromiseWithResolvers<void> | undefined;
  #refusal: TercetError | undefined;

  constructor(options: EmbeddedEngineOptions) {
    const { backend, limits } = options;
    const { slotCount, contextTokensMax } = backend.descriptor;
    this.options = options;
    this.kv = new KvCache({
      slotCount,
      slotTokens: contextTokensMax,
      blocksTotal: limits.kvBlocksMax,
      reuseGrainTokens: limits.reuseGrainTokens,
      onPrefix: this.prefixes,
    });
  }

  get backend(): Backend {
    return this.options.backend;
  }

  /** Nothing waits, runs or holds memory. */
  get isIdle(): boolean {
    return this.works.size === 0 && this.#heldSlots === 0;
  }

  nextId(): WorkId {
    this.#nextId++;
    return this.#nextId as WorkId;
  }

  /** Queues a work. @throws overloaded at the bound, draining or shutting_down once closed */
  add(work: Work): void {
    if (this.#refusal !== undefined) throw this.#refusal;
    this.#checkBound(work);
    this.works.set(work.id, work);
    this.state = this.#enqueued(work);
    this.wake();
  }

  /** From the next step on this sequence decodes. */
  startDecoding(work: DecodeWork): void {
    this.state = withDecoding(this.state, work.id);
    this.wake();
  }

  /** Takes a work off the schedule: it is done, failed or cancelled. A slot it holds goes back after a running step. */
  end(work: Work): void {
    if (!this.works.delete(work.id)) return;
    this.state = without(this.state, work.id);
    const hold = holdOf(work);
    if (hold !== undefined) this.letGo(hold);
    this.wake();
    this.#checkDrained();
  }

  /** Ends a work without a result; a work that ended before is left as it is. */
  fail(work: Work, error: unknown): void {
    if (!this.works.has(work.id)) return;
    failWork(work, error);
    this.end(work);
    if (this.#inStep.length > 0 && this.#inStep.every((other) => other.failure !== undefined)) {
      this.#stepAbort.abort(error);
    }
  }

  takeHold(hold: SlotHold): void {
    if (hold.holds === 0) this.#heldSlots++;
    hold.holds++;
  }

  letGo(hold: SlotHold): void {
    assert(hold.holds > 0, 'slot was let go before', { slot: hold.slot });
    hold.holds--;
    if (hold.holds > 0) return;
    this.#heldSlots--;
    this.kv.retire(hold.slot);
    this.wake();
    this.#checkDrained();
  }

  wake(): void {
    this.#changed.resolve();
  }

  /** New work is refused with this error; what is there goes on. */
  refuse(error: TercetError): void {
    this.#refusal ??= error;
    this.wake();
  }

  /** Resolves when nothing waits, runs or holds memory, or when the signal aborts. */
  async drained(signal: AbortSignal): Promise<void> {
    if (this.isIdle || signal.aborted) return;
    this.#drained ??= Promise.withResolvers();
    const aborted = Promise.withResolvers<void>();
    const onAbort = () => aborted.resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    await Promise.race([this.#drained.promise, aborted.promise]);
    signal.removeEventListener('abort', onAbort);
  }

  /** Resolves once something changed since the last call that resolved. */
  async changed(): Promise<void> {
    await this.#changed.promise;
    this.#changed = Promise.withResolvers();
  }

  /** Marks the work that a step, or the wait for its cores, is for; when all of it ends early, so does the step. */
  beginStep(works: readonly Work[]): AbortSignal {
    this.#inStep = works;
    this.#stepAbort = new AbortController();
    return this.#stepAbort.signal;
  }

  /** The live works whose rows or units a plan computes. */
  worksOf(plan: StepPlan): Work[] {
    if (plan.kind === 'idle') return [];
    const ids = plan.kind === 'tokens' ? [...plan.decodes, ...plan.chunks.map((chunk) => chunk.id)] : [plan.id];
    return ids.map((id) => this.works.get(id)).filter((work) => work !== undefined);
  }

  stateWithRoom(): SchedulerState {
    const room = { blocks: this.kv.availableBlocks, slots: this.kv.availableSlots };
    return { ...this.state, room };
  }

  #checkBound(work: Work): void {
    const { waiting, encoding, embedding } = this.state;
    const { waitingMax } = this.options.limits;
    const units = work.kind === 'encode' || work.kind === 'embed';
    const queued = units ? encoding.length + embedding.length : waiting.length;
    if (queued >= waitingMax) throw new TercetError('overloaded', { waiting: queued, waitingMax });
  }

  #enqueued(work: Work): SchedulerState {
    const { id } = work;
    const sinceStep = this.state.step;
    switch (work.kind) {
      case 'prefill': {
        const { generatedTokens, tenant = '' } = work.task;
        const { promptTokens } = work.demand;
        const blocks = blocksFor(promptTokens);
        const cachedTokens = this.kv.cachedTokensFor(work.demand);
        const shape = { promptTokens, generatedTokens, cachedTokens };
        return withWaiting(this.state, { kind: 'prompt', id, tenant, blocks, sinceStep, ...shape });
      }
      case 'decode': {
        const blocks = blocksFor(work.roomTokens);
        return withWaiting(this.state, { kind: 'reservation', id, tenant: work.task.tenant ?? '', blocks, sinceStep });
      }
      case 'encode':
      case 'embed':
        return withUnits(this.state, work.kind, { id, unitsDone: 0, unitTokens: work.unitTokens });
      default:
        return work satisfies never;
    }
  }

  #checkDrained(): void {
    if (this.isIdle) this.#drained?.resolve();
  }
}

/** The slot that a work holds now. */
export function holdOf(work: Work): SlotHold | undefined {
  if (work.kind === 'prefill') return work.admission?.hold;
  return work.kind === 'decode' ? work.hold : undefined;
}
