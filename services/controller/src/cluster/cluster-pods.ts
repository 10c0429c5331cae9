import { TercetError, toTercetError, type wire } from '@tercet/contracts';
import type { Ask, PodState, Pods, PoolSpec, SurgeRoom } from '@tercet/controller-core';
import type { PoolPod, PoolPods, Workload } from '@tercet/kubernetes';
import type { Log } from '@tercet/telemetry';
import type { WorkerPods } from '../pods/worker-pods.js';

export interface ClusterPodsOptions {
  readonly pods: Pick<PoolPods, 'all' | 'relabel' | 'evict'>;
  readonly workers: Pick<WorkerPods, 'follow' | 'states' | 'statuses' | 'refusing' | 'setRole'>;
  /** Where the stage processes answer in every pod. */
  readonly port: number;
  readonly log: Log;
  /** The workload as it was seen last; `undefined` while none is known, or while others decide its size. */
  readonly workload: () => Workload | undefined;
  /** Pods that the pool has when none stands in for another. */
  readonly size: number;
}

/**
 * Pods of a pool in a cluster: the cluster says which there are, their processes what they do, and the label tells the
 * Services of the stages what the process said. A label is put right whenever it differs, whoever changed it.
 */
export class ClusterPods implements Pods {
  readonly #options: ClusterPodsOptions;
  #owns: (podName: string) => boolean = () => false;
  /** Until it is known which pods are its own, nothing is said of any. */
  readonly #claimed = Promise.withResolvers<void>();
  #latest: readonly PodState[] = [];
  /** Switches that run, and how many had ended when a pod was seen: what was seen before counts for no label. */
  readonly #switching = new Set<string>();
  readonly #switchedAt = new Map<string, number>();
  #switched = 0;
  #seenAt = 0;

  constructor(options: ClusterPodsOptions) {
    this.#options = options;
  }

  /** Pods that another pool has are left alone. */
  own(owns: (podName: string) => boolean): void {
    this.#owns = owns;
    this.#claimed.resolve();
  }

  /** What the processes said the last time. */
  get statuses(): wire.WorkerStatus[] {
    return this.#options.workers.statuses;
  }

  /** Ids of the pods that refuse the calls of the role that they claim. */
  get refusing(): string[] {
    return this.#options.workers.refusing;
  }

  /** Names of the pods that the selector matches, whoever owns them. */
  get matched(): string[] {
    return this.#options.pods.all().map(({ name }) => name);
  }

  /** As they were seen the last time. */
  get latest(): readonly PodState[] {
    return this.#latest;
  }

  /** Why pods that are there cannot run. */
  get unschedulable(): string[] {
    return [...new Set(this.#owned().flatMap(({ unschedulable }) => unschedulable ?? []))];
  }

  async states(signal: AbortSignal): Promise<PodState[]> {
    const { workers, port } = this.#options;
    await this.#claimed.promise;
    const pods = this.#owned();
    const seenAt = this.#switched;
    workers.follow(pods.flatMap(({ address }) => (address === undefined ? [] : [`${address}:${port}`])));
    const states = await workers.states(signal);
    this.#latest = states.flatMap((state) => {
      const pod = pods.find(({ name }) => name === state.podId);
      // An address may be another pod's by now.
      if (pod === undefined) return [];
      return [pod.isLeaving ? { ...state, phase: 'stopping' as const } : state];
    });
    this.#seenAt = seenAt;
    for (const podId of this.#switchedAt.keys()) {
      if (!pods.some(({ name }) => name === podId)) this.#switchedAt.delete(podId);
    }
    return [...this.#latest];
  }

  /** A StatefulSet counts its pods on: the one more has the next number. */
  room({ unavailableMax }: Pick<PoolSpec, 'unavailableMax'>): SurgeRoom | undefined {
    const { workload, size } = this.#options;
    const known = workload();
    if (known === undefined) return undefined;
    const standInId = `${known.name}-${size}`;
    const unschedulable = this.#owned().find(({ name }) => name === standInId)?.unschedulable;
    return { standInId, refusal: known.refusal ?? unschedulable, unavailableMax };
  }

  /** An eviction, so that a disruption budget is kept. The workload starts the pod again. */
  async takeDown(podId: string, signal: AbortSignal): Promise<void> {
    const { pods, log } = this.#options;
    const pod = this.#owned().find(({ name }) => name === podId);
    if (pod === undefined) throw new TercetError('no_pod', { podId });
    if (pod.isLeaving) return;
    await pods.evict(pod, signal);
    log.info('pod.evicted', { podId });
  }

  /** The process first, then the label: a Service never names a pod that does not serve its stage yet. */
  async setRole(ask: Ask & { readonly drainTimeoutMs: number }, signal: AbortSignal): Promise<void> {
    const { workers, pods } = this.#options;
    if (!this.#owned().some(({ name }) => name === ask.podId)) throw new TercetError('no_pod', { podId: ask.podId });
    this.#switching.add(ask.podId);
    try {
      await workers.setRole(ask, signal);
      const pod = this.#owned().find(({ name }) => name === ask.podId);
      if (pod !== undefined) await pods.relabel(pod, ask.role, signal);
    } finally {
      this.#switching.delete(ask.podId);
      this.#switchedAt.set(ask.podId, ++this.#switched);
    }
  }

  /** Puts the labels right that differ from what the processes said. What fails is tried again the next time. */
  async label(signal: AbortSignal): Promise<void> {
    const { pods, log } = this.#options;
    for (const { podId, role, phase, refusesCalls } of this.#latest) {
      if (phase !== 'ready' && phase !== 'unassigned') continue;
      if (this.#switching.has(podId) || (this.#switchedAt.get(podId) ?? 0) > this.#seenAt) continue;
      const pod = this.#owned().find(({ name }) => name === podId);
      const serves = phase === 'ready' && refusesCalls !== true ? role : undefined;
      if (pod === undefined || pod.isLeaving || pod.role === serves) continue;
      try {
        await pods.relabel(pod, serves, signal);
        log.info('pod.labelled', { podId, from: pod.role, to: serves });
      } catch (error) {
        log.error('pod.not_labelled', { podId, to: serves, error: toTercetError(error) });
      }
    }
  }

  #owned(): PoolPod[] {
    return this.#options.pods.all().filter(({ name }) => this.#owns(name));
  }
}
