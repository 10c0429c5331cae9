import type { Clock } from '@tercet/base';
import { TercetError, toTercetError, wire } from '@tercet/contracts';
import { type Log, traceFields } from '@tercet/telemetry';
import type { EmbeddingModel } from '../models/embedding-model.js';
import type { Admission } from './admission.js';
import { Deadline } from './deadline.js';
import type { Holding } from './holding.js';
import type { PipelineLimits } from './pipeline.js';
import type { PodView } from './plan.js';
import { pointsAtPod } from './points-at-pod.js';
import type { Origin } from './request.js';
import type { PodSource, StageCalls } from './stage-calls.js';

export interface EmbeddingsOptions<Pod> {
  readonly pods: PodSource<Pod>;
  readonly calls: Pick<StageCalls<Pod>, 'embedText'>;
  readonly admission: Pick<Admission, 'enter'>;
  readonly holding: Holding;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: PipelineLimits;
}

/** Texts to turn into vectors, whatever API they came through. */
export interface EmbeddingRequest extends Origin {
  readonly requestId: string;
  readonly model: EmbeddingModel;
  /** Token ids of each text. */
  readonly inputs: readonly (readonly number[])[];
}

/** The way of texts to their vectors: admit → deal over the encoders → embed. Retries as the pipeline does. */
export class Embeddings<Pod> {
  readonly #options: EmbeddingsOptions<Pod>;

  constructor(options: EmbeddingsOptions<Pod>) {
    this.#options = options;
  }

  /**
   * @returns a unit vector for each, in order
   * @throws any code of the error table
   */
  async run(request: EmbeddingRequest, signal: AbortSignal): Promise<number[][]> {
    const { admission, holding, limits } = this.#options;
    using deadline = new Deadline(limits.timeoutMs, signal);
    const { requestId, tenant, traceparent, inputs } = request;
    const tokens = inputs.reduce((sum, ids) => sum + ids.length, 0);
    using place = await admission.enter({ tenant, tokens }, deadline.signal);
    place.settle(tokens);
    using _here = holding.enter(request.model.name);
    const avoid = new Set<string>();
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt({ request, attempt, avoid }, deadline.signal);
      } catch (error) {
        const failure = toTercetError(error, 'stage_failed');
        if (deadline.passed && !signal.aborted) {
          throw new TercetError('deadline_exceeded', { timeoutMs: limits.timeoutMs });
        }
        const again = failure.retry === 'replan' && attempt < limits.attemptsMax && !signal.aborted;
        const about = { requestId, ...traceFields(traceparent) };
        this.#options.log.info(again ? 'request.replan' : 'request.failed', { ...about, attempt, failure });
        if (!again) throw failure;
      }
    }
  }

  async #attempt(work: Attempt, signal: AbortSignal): Promise<number[][]> {
    const { request, avoid } = work;
    const encoders = await this.#encoders(work, signal);
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const calls = dealInputs(request.inputs, encoders).map(async ({ encoder, inputs: share }) => {
      try {
        return await this.#embed(work, encoder, share, either);
      } catch (error) {
        if (!either.aborted) avoid.add(encoder.podId);
        if (pointsAtPod(error)) this.#options.pods.forget(encoder.pod);
        failed.abort(error);
        throw error;
      }
    });
    await Promise.allSettled(calls);
    if (failed.signal.aborted) throw failed.signal.reason;
    return (await Promise.all(calls)).flat();
  }

  async #embed(work: Attempt, encoder: PodView<Pod>, inputs: Inputs, signal: AbortSignal): Promise<number[][]> {
    const { clock, limits, calls } = this.#options;
    const { requestId, tenant, traceparent, model } = work.request;
    const { role, epoch } = encoder;
    const deadlineUnixMs = BigInt(Math.ceil(clock.unixMs() + limits.timeoutMs));
    const context = { requestId, attempt: work.attempt, deadlineUnixMs, tenant, traceparent, role, epoch };
    const request = { context, model: model.name, inputs: inputs.map((ids) => ({ ids: [...ids] })) };
    const { embeddings } = await calls.embedText(encoder.pod, request, signal);
    const fits = embeddings.length === inputs.length && embeddings.every((e) => e.values.length === model.dimensions);
    if (!fits) throw new TercetError('stage_protocol', { stage: 'encode', vectors: embeddings.length });
    return embeddings.map(({ values }) => values);
  }

  /** Encoders of the model; those that failed this request only where there is no other. @throws no_pod, pool_waking */
  #encoders({ request, avoid }: Attempt, signal: AbortSignal): Promise<PodView<Pod>[]> {
    const { pods, holding } = this.#options;
    const { name } = request.model;
    const find = () => {
      const all = pods.ready().filter((pod) => pod.model === name && pod.role === wire.Role.ROLE_ENCODE);
      const fresh = all.filter(({ podId }) => !avoid.has(podId));
      const found = (fresh.length > 0 ? fresh : all).toSorted((a, b) => a.busy - b.busy);
      return found.length > 0 ? found : undefined;
    };
    return holding.until(name, find, signal);
  }
}

type Inputs = EmbeddingRequest['inputs'];

interface Attempt {
  readonly request: EmbeddingRequest;
  readonly attempt: number;
  /** Pods that failed this request before. */
  readonly avoid: Set<string>;
}

/** Consecutive inputs for each encoder, with about as many tokens for each. */
export function dealInputs<Pod>(
  inputs: Inputs,
  encoders: readonly PodView<Pod>[],
): { encoder: PodView<Pod>; inputs: Inputs }[] {
  const tokens = inputs.reduce((sum, ids) => sum + ids.length, 0);
  const shares = encoders.map((encoder) => ({ encoder, inputs: [] as (readonly number[])[] }));
  let before = 0;
  for (const ids of inputs) {
    const index = Math.min(encoders.length - 1, Math.floor((before * encoders.length) / tokens));
    shares[index]?.inputs.push(ids);
    before += ids.length;
  }
  return shares.filter((share) => share.inputs.length > 0);
}
