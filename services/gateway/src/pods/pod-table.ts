import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@tercet/base';
import { TercetError, toTercetError, wire } from '@tercet/contracts';
import { GrpcChannel } from '@tercet/grpc';
import type { Log } from '@tercet/telemetry';
import type { PodView } from '../pipeline/plan.js';

export interface PodTableOptions {
  readonly endpoints: readonly string[];
  /** Between two questions to a pod that answers; a call that finds things changed asks at once. */
  readonly pollMs: number;
  /** Whether what a pod says of itself counts; one that is not trusted serves nothing. */
  readonly isTrusted?: (podId: string) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** A stage process as the gateway sees it. */
export class Pod {
  readonly endpoint: string;
  readonly channel: GrpcChannel;
  status: wire.WorkerStatus | undefined;
  /** Calls of this gateway that run there: newer than any report. */
  calls = 0;

  constructor(endpoint: string) {
    this.endpoint = endpoint;
    this.channel = GrpcChannel.open(endpoint);
  }
}

const pollTimeoutMs = 2000;
/** Between two questions at least, and while a pod does not answer or a request waits for one. */
const pollMsMin = 100;

/** Which stage processes there are, what role each has and how busy it is; asked of them at an interval. */
export class PodTable implements Disposable {
  readonly #options: PodTableOptions;
  readonly #pods: readonly Pod[];
  readonly #stop = new AbortController();
  #changed = Promise.withResolvers<void>();
  #hurry = new AbortController();
  #waiting = 0;

  constructor(options: PodTableOptions) {
    this.#options = options;
    this.#pods = options.endpoints.map((endpoint) => new Pod(endpoint));
    for (const pod of this.#pods) void this.#watch(pod);
  }

  /** Pods that are ready, as the planner wants them. */
  ready(): PodView<Pod>[] {
    const { isTrusted = () => true } = this.#options;
    return this.#pods.flatMap((pod) => {
      const { status } = pod;
      if (status?.phase !== wire.Phase.PHASE_READY) return [];
      const { podId, role, epoch, model, load } = status;
      if (!isTrusted(podId)) return [];
      const busy = Math.max(pod.calls, (load?.running ?? 0) + (load?.waiting ?? 0));
      return [{ pod, podId, role, epoch, model, modelDigest: status.modelDigest, busy }];
    });
  }

  statuses(): wire.WorkerStatus[] {
    return this.#pods.flatMap(({ status }) => status ?? []);
  }

  /** The pod said that what is known of it is wrong, or did not answer: it serves nothing until it is asked again. */
  forget(pod: Pod): void {
    pod.status = undefined;
    this.#askSoon();
  }

  /** Resolves when anything about a pod changed. @throws no_pod when the signal aborts first */
  async changed(signal: AbortSignal): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(new TercetError('no_pod'));
    if (signal.aborted) throw new TercetError('no_pod');
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waiting++;
    this.#askSoon();
    try {
      await Promise.race([this.#changed.promise, promise]);
    } finally {
      this.#waiting--;
      signal.removeEventListener('abort', onAbort);
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    for (const { channel } of this.#pods) channel.close();
  }

  #askSoon(): void {
    this.#hurry.abort();
    this.#hurry = new AbortController();
  }

  async #watch(pod: Pod): Promise<void> {
    const { pollMs, log } = this.#options;
    const { signal } = this.#stop;
    const worker = pod.channel.client(wire.WorkerDefinition);
    let wasReachable = true;
    while (!signal.aborted) {
      try {
        const either = AbortSignal.any([signal, AbortSignal.timeout(pollTimeoutMs)]);
        pod.status = await worker.getStatus({}, { signal: either });
        if (!wasReachable) log.info('pod.back', { endpoint: pod.endpoint, podId: pod.status.podId });
        wasReachable = true;
      } catch (error) {
        pod.status = undefined;
        if (wasReachable && !signal.aborted) {
          log.info('pod.lost', { endpoint: pod.endpoint, code: toTercetError(error).code });
        }
        wasReachable = false;
      }
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
      await sleep(pollMsMin, undefined, { signal }).catch(() => undefined);
      if (pod.status === undefined || this.#waiting > 0) continue;
      const either = AbortSignal.any([signal, this.#hurry.signal]);
      await sleep(Math.max(0, pollMs - pollMsMin), undefined, { signal: either }).catch(() => undefined);
    }
  }
}
