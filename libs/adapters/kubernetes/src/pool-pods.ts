import { setTimeout as sleep } from 'node:timers/promises';
import { makeInformer, PatchStrategy, setHeaderOptions, type V1Pod } from '@kubernetes/client-node';
import { TercetError } from '@tercet/contracts';
import { type KubernetesApi, pauseMs } from './api.js';
import { statusOf, toClusterError } from './errors.js';
import { roleLabel, type Stage } from './serving-pool.js';

/** A pod as the cluster has it. */
export interface PoolPod {
  readonly name: string;
  readonly uid: string;
  /** `undefined` before it has one. */
  readonly address: string | undefined;
  /** Value of its role label. */
  readonly role: string | undefined;
  readonly isLeaving: boolean;
  /** Why it cannot be placed, in the scheduler's words. */
  readonly unschedulable: string | undefined;
}

export interface PoolPodsOptions {
  readonly api: KubernetesApi;
  /** Labels that the pods have, as the API takes them. */
  readonly selector: string;
  /** The watch broke; it goes on by itself. */
  onFailure(error: TercetError): void;
}

/** The pods of a pool, kept up to date by a watch that lists anew when it fell behind. */
export class PoolPods implements AsyncDisposable {
  readonly #options: PoolPodsOptions;
  readonly #informer: ReturnType<typeof makeInformer<V1Pod>>;
  readonly #stop = new AbortController();
  #failures = 0;

  private constructor(options: PoolPodsOptions) {
    const { api, selector } = options;
    const { namespace } = api;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
    const list = () => api.core.listNamespacedPod({ namespace, labelSelector: selector });
    this.#options = options;
    this.#informer = makeInformer<V1Pod>(api.config, path, list, selector);
    this.#informer.on('connect', () => {
      this.#failures = 0;
    });
    this.#informer.on('error', (error: unknown) => void this.#restart(error));
  }

  /** Resolves when the pods were listed, or that failed and is tried again. */
  static async open(options: PoolPodsOptions): Promise<PoolPods> {
    const pods = new PoolPods(options);
    await pods.#informer.start();
    return pods;
  }

  /** Those that run or will; ones that ended are not among them. */
  all(): PoolPod[] {
    return this.#informer.list().filter(isAlive).map(toPoolPod);
  }

  /**
   * Labels a pod with the stage that it serves now. It is refused when another pod has the name by then, or another
   * label was put on it meanwhile.
   * @throws cluster_conflict, cluster_refused, cluster_unavailable
   */
  async relabel({ name, uid, role: before }: PoolPod, role: Stage | undefined, signal: AbortSignal): Promise<void> {
    if (before === role) return;
    const { api } = this.#options;
    const path = `/metadata/labels/${roleLabel.replace('/', '~1')}`;
    const change = role === undefined ? { op: 'remove', path } : { op: 'add', path, value: role };
    const body = [
      { op: 'test', path: '/metadata/uid', value: uid },
      ...(before === undefined ? [] : [{ op: 'test', path, value: before }]),
      change,
    ];
    const patch = async () => {
      try {
        const options = setHeaderOptions('Content-Type', PatchStrategy.JsonPatch);
        await api.core.patchNamespacedPod({ namespace: api.namespace, name, body }, options);
      } catch (error) {
        if (statusOf(error) !== 422) throw error;
        throw new TercetError('cluster_conflict', { pod: name, uid, label: before ?? 'none' }, { cause: error });
      }
    };
    await api.call({ pod: name, role }, patch, signal);
  }

  /**
   * The pod is told to end, by an eviction: it drains, and where a disruption budget does not allow it, it stays.
   * @throws cluster_unavailable, also for another pod of the name and against a budget; cluster_refused
   */
  async evict({ name, uid }: PoolPod, signal: AbortSignal): Promise<void> {
    const { api } = this.#options;
    const { namespace } = api;
    const body = { metadata: { name, namespace }, deleteOptions: { preconditions: { uid } } };
    await api.call({ pod: name }, () => api.core.createNamespacedPodEviction({ namespace, name, body }), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#informer.stop();
  }

  async #restart(error: unknown): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return;
    this.#failures++;
    if (this.#failures === 1) this.#options.onFailure(toClusterError(error, { watch: 'pods' }));
    await sleep(pauseMs(this.#failures), undefined, { signal }).catch(() => undefined);
    if (!signal.aborted) await this.#informer.start();
  }
}

function isAlive({ status }: V1Pod): boolean {
  return status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

function toPoolPod({ metadata, status }: V1Pod): PoolPod {
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  return {
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    address: status?.podIP,
    role: metadata?.labels?.[roleLabel],
    isLeaving: metadata?.deletionTimestamp !== undefined,
    unschedulable: scheduled?.reason === 'Unschedulable' ? (scheduled.message ?? scheduled.reason) : undefined,
  };
}
