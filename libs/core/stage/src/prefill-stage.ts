import type { Clock } from '@tercet/base';
import { TercetError, wire } from '@tercet/contracts';
import type { KvExport, PrefillTask, StageEngine } from '@tercet/engine';
import { callOf, samplingFromWire, tokenToWire } from './from-wire.js';
import { LentTensors, type Loan } from './lent.js';
import { pullMedia } from './pull-media.js';
import type { MountedStage } from './role-host.js';
import type { LentSegment, TensorPort } from './tensor-port.js';

export interface PrefillStageOptions {
  readonly engine: StageEngine;
  readonly tensors: TensorPort;
  readonly clock: Clock;
}

/** Prompt to KV cache and first token. */
export class PrefillStage implements MountedStage {
  readonly role = wire.Role.ROLE_PREFILL;
  readonly counters = { requestsDone: 0, tokensDone: 0 };
  readonly #options: PrefillStageOptions;
  readonly #lent: LentTensors;

  constructor(options: PrefillStageOptions) {
    this.#options = options;
    this.#lent = new LentTensors(options.tensors);
  }

  get leasesOpen(): number {
    return this.#lent.count;
  }

  /**
   * `started` as soon as the KV can be leased, `firstToken` when it is sampled. The call lasts until the KV was read or
   * its lease ended; a caller that leaves earlier gives the KV up.
   * @throws stage_protocol, prompt_too_long, overloaded, invalid_request, and what pulling media throws
   */
  async *prefill(request: wire.PrefillRequest, signal: AbortSignal): AsyncGenerator<wire.PrefillEvent> {
    const { engine, tensors, clock } = this.#options;
    const call = callOf(request, engine.descriptor);
    const sampling = samplingFromWire(request.sampling);
    const startMs = clock.nowMs();
    const media = await pullMedia({ tensors, descriptor: engine.descriptor, spans: request.media }, signal);
    const transferMs = clock.nowMs() - startMs;
    const task: PrefillTask = {
      ...call,
      tokenIds: Uint32Array.from(request.tokenIds),
      media,
      generatedTokens: request.generatedTokens,
      sampling,
    };
    let handed: Handed | undefined;
    let queueMs = 0;
    try {
      for await (const output of engine.prefill(task, signal)) {
        if (output.kind === 'started') {
          queueMs = output.queueMs;
          handed = this.#hand(output.kv, request);
          const kvLease = handed.lease;
          yield { event: { $case: 'started', value: { kvLease, cachedTokens: output.cachedTokens, queueMs } } };
          continue;
        }
        const { token, endOfText, computeMs } = output;
        this.counters.requestsDone++;
        this.counters.tokensDone += request.tokenIds.length;
        const timings = { queueMs, transferMs, computeMs };
        yield { event: { $case: 'firstToken', value: { token: tokenToWire(token), endOfText, timings } } };
        if (endOfText) handed?.takeBack();
      }
      if (handed === undefined) throw new TercetError('empty_answer', { stage: 'prefill' });
      await handed.ended(signal);
    } finally {
      handed?.takeBack();
    }
  }

  drained(signal: AbortSignal): Promise<void> {
    return this.#lent.drained(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lent.drained(AbortSignal.abort());
  }

  /** Lends the KV, or keeps it only while it is computed. */
  #hand(kv: KvExport, { discardKv, reader }: wire.PrefillRequest): Handed {
    if (discardKv) return { lease: undefined, ended: async () => {}, takeBack: () => kv.release() };
    const { descriptor } = this.#options.engine;
    try {
      return this.#lent.lend({
        shape: [descriptor.layerCount, 2, kv.tokens, descriptor.kvRowBytes],
        dtype: wire.DType.DTYPE_U8,
        layoutDigest: descriptor.kvLayoutDigest,
        reader,
        segments: kvSegments(kv, descriptor),
        onEnd: () => kv.release(),
      });
    } catch (error) {
      kv.release();
      throw error;
    }
  }
}

type Handed = Omit<Loan, 'lease'> & { readonly lease: wire.TensorLease | undefined };

/** K of layer 0, V of layer 0, K of layer 1, …: the order in which prefill completes them. */
function kvSegments(kv: KvExport, shape: { layerCount: number; kvRowBytes: number }): LentSegment[] {
  return Array.from({ length: shape.layerCount * 2 }, (_, i) => {
    const layer = i >> 1;
    const part = (i & 1) === 0 ? ('k' as const) : ('v' as const);
    return {
      bytes: kv.tokens * shape.kvRowBytes,
      ready: (signal: AbortSignal) => kv.layerReady(layer, signal),
      view: () => kv.rows(layer, part),
    };
  });
}
