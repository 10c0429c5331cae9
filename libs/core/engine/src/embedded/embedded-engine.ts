import { assert } from '@tercet/base';
import { TercetError, toTercetError } from '@tercet/contracts';
import { blockTokens, type KvDemand } from '@tercet/kv';
import { reuseGridOf, reuseOf } from '@tercet/scheduler';
import type {
  DecodeSession,
  DecodeTask,
  EmbedTask,
  EncodeTask,
  EngineDescriptor,
  EngineLoad,
  PrefillOutput,
  PrefillTask,
  PrefixChange,
  StageEngine,
} from '../stage-engine.js';
import { WorkLog } from '../work-log.js';
import { Channel } from './channel.js';
import { checkedDecode, checkedEmbed, checkedEncode, checkedPrefill } from './checked-task.js';
import { SlotSession } from './decode-session.js';
import type { EmbeddedEngineOptions } from './options.js';
import { StepLoop } from './step-loop.js';
import type { DecodeWork, EmbedWork, EncodeWork, PrefillWork, Work } from './work.js';
import { WorkTable } from './work-table.js';

/**
 * The engine of our own: one loop plans a step, runs it on the backend, samples and publishes. All roles go through the
 * same loop, so the process can take another role without loading anything.
 *
 * Memory is freed by whoever got it: an aborted request stops computing at once, but a slot whose rows a reader may be
 * reading (`KvExport`) or a writer writing (`DecodeSession`) goes back only when that side lets go of it.
 */
export class EmbeddedEngine implements StageEngine {
  readonly descriptor: EngineDescriptor;
  readonly work = new WorkLog();
  readonly #options: EmbeddedEngineOptions;
  readonly #table: WorkTable;
  readonly #loop: StepLoop;
  #closed: Promise<void> | undefined;

  private constructor(options: EmbeddedEngineOptions) {
    this.#options = options;
    this.#table = new WorkTable(options);
    this.#loop = new StepLoop(this.#table, this.work);
    this.descriptor = descriptorOf(options);
  }

  /** Starts the loop over a backend that is ready. The engine owns the backend from here on. */
  static open(options: EmbeddedEngineOptions): EmbeddedEngine {
    const { chunkTokens, reuseGrainTokens } = options.limits;
    assert(reuseGrainTokens === 0 || chunkTokens % blockTokens === 0, 'a chunk is whole KV blocks', { chunkTokens });
    const engine = new EmbeddedEngine(options);
    engine.#loop.start();
    return engine;
  }

  async *prefill(task: PrefillTask, signal: AbortSignal): AsyncGenerator<PrefillOutput> {
    const work = this.#prefillWork(task);
    const stop = this.#enter(work, signal);
    try {
      for (let output = await work.outputs.next(); output !== undefined; output = await work.outputs.next()) {
        if (work.failure !== undefined) throw work.failure.error;
        if (output.kind === 'started') work.exportDelivered = true;
        yield output;
      }
    } finally {
      stop();
      this.#table.fail(work, new TercetError('cancelled', { requestId: task.requestId }));
      if (!work.exportDelivered) work.admission?.kv.release();
    }
  }

  async reserve(task: DecodeTask, signal: AbortSignal): Promise<DecodeSession> {
    const work = this.#decodeWork(task);
    const stop = this.#enter(work, signal);
    try {
      await work.admitted.promise;
      if (work.failure !== undefined) throw work.failure.error;
    } finally {
      stop();
    }
    return new SlotSession(this.#table, work);
  }

  async encode(task: EncodeTask, signal: AbortSignal): Promise<Float32Array> {
    return this.#finished(this.#encodeWork(task), signal);
  }

  async embed(task: EmbedTask, signal: AbortSignal): Promise<Float32Array[]> {
    return this.#finished(this.#embedWork(task), signal);
  }

  /** `kvBlocksUsed` counts what requests hold; prefixes kept for reuse are not in it, they yield to any request. */
  load(): EngineLoad {
    const { state, kv, prefixCachedTokens, works } = this.#table;
    return {
      waiting: state.waiting.length,
      running: works.size - state.waiting.length,
      kvBlocksUsed: kv.pinnedBlocks,
      kvBlocksTotal: kv.blocksTotal,
      steps: state.step,
      stepMsMean: this.#loop.stepMsMean,
      prefixCachedTokens,
    };
  }

  watchPrefixes(listener: (change: PrefixChange) => void): void {
    this.#table.prefixes.listen(listener);
  }

  /** Takes no new work, finishes what is there until the signal aborts, fails the rest, and closes the backend. */
  async close(signal: AbortSignal): Promise<void> {
    this.#closed ??= this.#close(signal);
    await this.#closed;
  }

  /** Closes at once: what still runs fails with `shutting_down`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(AbortSignal.abort());
  }

  async #close(signal: AbortSignal): Promise<void> {
    this.#table.refuse(new TercetError('draining'));
    await this.#table.drained(signal);
    await this.#loop.stop(new TercetError('shutting_down'));
    await this.#options.backend[Symbol.asyncDispose]();
  }

  /** Queues the work and ties it to the signal; the result unties it. */
  #enter(work: Work, signal: AbortSignal): () => void {
    if (signal.aborted) throw toTercetError(signal.reason, 'cancelled');
    this.#table.add(work);
    const onAbort = () => this.#table.fail(work, toTercetError(signal.reason, 'cancelled'));
    signal.addEventListener('abort', onAbort, { once: true });
    return () => signal.removeEventListener('abort', onAbort);
  }

  async #finished<T>(work: Work & { readonly done: PromiseWithResolvers<T> }, signal: AbortSignal): Promise<T> {
    const stop = this.#enter(work, signal);
    try {
      return await work.done.promise;
    } finally {
      stop();
    }
  }

  #prefillWork(task: PrefillTask): PrefillWork {
    checkedPrefill(task, this.#table);
    const { tokenIds, generatedTokens, sampling } = task;
    return {
      ...this.#started(),
      kind: 'prefill',
      task,
      demand: this.#demandOf(task),
      sampler: this.#options.samplerOf({ sampling, tokenIds, generatedTokens }),
      outputs: new Channel(),
      exportDelivered: false,
    };
  }

  #demandOf({ tokenIds, generatedTokens, media, tenant = '' }: PrefillTask): KvDemand {
    const { reuse } = this.descriptor;
    const reserveTokens = tokenIds.length;
    if (reuse === undefined) return { key: [], promptTokens: reserveTokens, reserveTokens };
    return { ...reuseOf({ tokenIds, generatedTokens, media, tenant }, reuse), reserveTokens };
  }

  #decodeWork(task: DecodeTask): DecodeWork {
    const { sampling, tokenIds, generatedTokens } = task;
    const rowsMax = checkedDecode(task, this.#table);
    return {
      ...this.#started(),
      kind: 'decode',
      task,
      sampler: this.#options.samplerOf({ sampling, tokenIds, generatedTokens }),
      outputs: new Channel(),
      admitted: Promise.withResolvers(),
      rowsMax,
      roomTokens: Math.min(rowsMax, tokenIds.length + this.#options.limits.decodeAheadTokens),
    };
  }

  #encodeWork(task: EncodeTask): EncodeWork {
    const { tokensPerTile, dim } = checkedEncode(task, this.descriptor);
    const { stepTokensMax, stepTilesMax } = this.#options.limits;
    return {
      ...this.#started(),
      kind: 'encode',
      task,
      unitTokens: new Array<number>(task.tileCount).fill(Math.ceil(stepTokensMax / stepTilesMax)),
      out: new Float32Array(task.tileCount * tokensPerTile * dim),
      done: Promise.withResolvers(),
    };
  }

  #embedWork(task: EmbedTask): EmbedWork {
    checkedEmbed(task, this.descriptor);
    return {
      ...this.#started(),
      kind: 'embed',
      task,
      unitTokens: task.inputs.map((input) => input.length),
      out: [],
      done: Promise.withResolvers(),
    };
  }

  #started() {
    assert(this.#options.limits.waitingMax >= 1, 'an engine that takes no request');
    return { id: this.#table.nextId(), queuedAtMs: this.#options.clock.nowMs() };
  }
}

/** That of the backend, with how prefixes are reused; a model without layers of KV has none. */
function descriptorOf({ backend, limits }: EmbeddedEngineOptions): EngineDescriptor {
  const { descriptor } = backend;
  const { chunkTokens, reuseGrainTokens: grainTokens } = limits;
  if (grainTokens === 0 || descriptor.layerCount === 0) return descriptor;
  const reuse = reuseGridOf({ chunkTokens, grainTokens, kernelOf: (rows) => backend.kernelOf(rows) });
  return { ...descriptor, reuse };
}
