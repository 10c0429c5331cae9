import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@tercet/base';
import { TercetError, toTercetError, wire } from '@tercet/contracts';
import { PodFacts } from '@tercet/facts';
import { GrpcChannel, type GrpcTls } from '@tercet/grpc';
import { blockTokens } from '@tercet/kv';
import type { Log } from '@tercet/telemetry';
import type { KnownOfPod, PodView } from '../pipeline/plan.js';
import { type Discovery, followEndpoints } from './discovery.js';
import { followFacts, followWork } from './follow.js';
import type { ModelCosts } from './model-costs.js';

export interface PodTableOptions {
  readonly discovery: Discovery;
  /** Between two questions to a pod that answers; a call that finds things changed asks at once. */
  readonly pollMs: number;
  readonly tls?: GrpcTls | undefined;
  /** Whether what a pod says of itself counts; one that is not trusted serves nothing. */
  readonly isTrusted?: (podId: string) => boolean;
  /** Asks pods for what they have cached and what their steps cost; absent, only load is known of them. */
  readonly knowing?: PodKnowing | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface PodKnowing {
  readonly costs: ModelCosts;
  /** Of a pod. */
  readonly factKeysMax: number;
}

/** A stage process as the gateway sees it. */
export class Pod {
  readonly endpoint: string;
  readonly channel: GrpcChannel;
  status: wire.WorkerStatus | undefined;
  /** Calls of this gateway that run there: newer than any report. */
  calls = 0;
  /** Of those requests that the pod had when it was asked last, those that are not this gateway's. */
  otherRequests = 0;
  /** Prefill that this gateway sent there and that has no first token yet. */
  pendingMs = 0;
  readonly facts: PodFacts;
  /** Aborts when the pod is not among those that there are any more. */
  readonly gone = new AbortController();

  constructor(endpoint: string, { tls, factKeysMax }: { tls: GrpcTls | undefined; factKeysMax: number }) {
    this.endpoint = endpoint;
    this.facts = new PodFacts({ keysMax: factKeysMax });
    this.channel = GrpcChannel.open(endpoint, tls);
  }
}

const pollTimeoutMs = 2000;
/** Between two questions at least, and while a pod does not answer or a request waits for one. */
const pollMsMin = 100;

/** Which stage processes there are, what role each has and how busy it is; asked of them at an interval. */
export class PodTable implements Disposable {
  readonly #options: PodTableOptions;
  readonly #pods = new Map<string, Pod>();
  /** Gone, with calls that still run there. */
  #leaving: readonly Pod[] = [];
  readonly #stop = new AbortController();
  #changed = Promise.withResolvers<void>();
  #hurry = new AbortController();
  #waiting = 0;
  #factGaps = 0;

  constructor(options: PodTableOptions) {
    this.#options = options;
    const { discovery, log } = options;
    const onFound = (endpoints: readonly string[]) => this.#follow(endpoints);
    const onLost = (error: TercetError) => log.error('pods.discovery_failed', { error });
    void followEndpoints(discovery, { onFound, onLost }, this.#stop.signal);
  }

  /** Pods that are ready, as the planner wants them. */
  ready(): PodView<Pod>[] {
    const { isTrusted = () => true } = this.#options;
    return [...this.#pods.values()].flatMap((pod) => {
      const { status } = pod;
      if (status?.phase !== wire.Phase.PHASE_READY) return [];
      const { podId, role, epoch, model, load } = status;
      if (!isTrusted(podId)) return [];
      const busy = Math.max(pod.calls, (load?.running ?? 0) + (load?.waiting ?? 0));
      const { modelDigest } = status;
      return [{ pod, podId, role, epoch, model, modelDigest, busy, known: this.#known(pod, status) }];
    });
  }

  /** Cached things of all pods that are known of, and how often a pod's were incomplete and were asked for anew. */
  facts(): { readonly prefix: number; readonly media: number; readonly gaps: number } {
    const counts = [...this.#pods.values()].map(({ facts }) => facts.keyCount);
    return {
      prefix: counts.reduce((sum, { prefixBlocks }) => sum + prefixBlocks, 0),
      media: counts.reduce((sum, { media }) => sum + media, 0),
      gaps: this.#factGaps,
    };
  }

  expect(pod: Pod, prefillMs: number): Disposable {
    pod.pendingMs += prefillMs;
    let isOver = false;
    return {
      [Symbol.dispose]() {
        if (!isOver) pod.pendingMs -= prefillMs;
        isOver = true;
      },
    };
  }

  statuses(): wire.WorkerStatus[] {
    return [...this.#pods.values()].flatMap(({ status }) => status ?? []);
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
    for (const { channel } of [...this.#pods.values(), ...this.#leaving]) channel.close();
  }

  #follow(endpoints: readonly string[]): void {
    if (this.#stop.signal.aborted) return;
    const now = new Set(endpoints);
    for (const [endpoint, pod] of this.#pods) {
      if (now.has(endpoint)) continue;
      this.#pods.delete(endpoint);
      pod.gone.abort();
      this.#leaving = [...this.#leaving, pod];
    }
    const isIdle = ({ calls }: Pod) => calls === 0;
    for (const { channel } of this.#leaving.filter(isIdle)) channel.close();
    this.#leaving = this.#leaving.filter((pod) => !isIdle(pod));
    for (const endpoint of now) {
      if (this.#pods.has(endpoint)) continue;
      const { tls, knowing } = this.#options;
      const pod = new Pod(endpoint, { tls, factKeysMax: knowing?.factKeysMax ?? 0 });
      this.#pods.set(endpoint, pod);
      void this.#watch(pod);
      if (knowing !== undefined) this.#learnOf(pod, knowing);
    }
  }

  /** Until the pod or the table is gone. */
  #learnOf(pod: Pod, { costs }: PodKnowing): void {
    const { log, pollMs } = this.#options;
    const signal = AbortSignal.any([this.#stop.signal, pod.gone.signal]);
    const onGap = () => {
      this.#factGaps++;
    };
    const onWork = (work: readonly wire.WorkSample[]) => costs.learn(pod.status?.model ?? '', work);
    void followFacts(pod, { onGap, log }, signal);
    void followWork(pod, { intervalMs: pollMs, onWork }, signal);
  }

  #known(pod: Pod, status: wire.WorkerStatus): KnownOfPod | undefined {
    if (this.#options.knowing === undefined) return undefined;
    const { facts, pendingMs, otherRequests } = pod;
    const { kvBlocksTotal = 0, kvBlocksUsed = 0 } = status.load ?? {};
    return {
      facts: facts.isOf(status) ? facts : undefined,
      reuse: status.reuse,
      pendingMs,
      otherRequests,
      freeTokens: (kvBlocksTotal - kvBlocksUsed) * blockTokens,
    };
  }

  #askSoon(): void {
    this.#hurry.abort();
    this.#hurry = new AbortController();
  }

  async #watch(pod: Pod): Promise<void> {
    const { pollMs, log } = this.#options;
    const signal = AbortSignal.any([this.#stop.signal, pod.gone.signal]);
    const worker = pod.channel.client(wire.WorkerDefinition);
    let wasReachable = true;
    while (!signal.aborted) {
      try {
        const either = AbortSignal.any([signal, AbortSignal.timeout(pollTimeoutMs)]);
        pod.status = await worker.getStatus({}, { signal: either });
        const { running = 0, waiting = 0 } = pod.status.load ?? {};
        pod.otherRequests = Math.max(0, running + waiting - pod.calls);
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
