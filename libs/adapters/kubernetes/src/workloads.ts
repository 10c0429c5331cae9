import { PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import type { KubernetesApi } from './api.js';

/** What makes the pods of a pool. */
export interface Workload {
  readonly name: string;
  /** Pods that it shall make. */
  readonly replicas: number;
  /** Why it cannot make them, in the API server's words: a quota that refuses, for example. */
  readonly refusal: string | undefined;
}

/** The workloads of pools: StatefulSets, whose pods keep their names and so their recorded roles. */
export class PoolWorkloads {
  readonly #api: KubernetesApi;

  constructor(api: KubernetesApi) {
    this.#api = api;
  }

  /** The one whose pods have these labels. @throws cluster_unavailable, cluster_refused */
  async find(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Workload | undefined> {
    const { namespace } = this.#api;
    const list = () => this.#api.apps.listNamespacedStatefulSet({ namespace });
    const { items } = await this.#api.call({ resource: 'statefulsets' }, list, signal);
    const found = items.find(({ spec }) => {
      const has = spec?.template.metadata?.labels ?? {};
      return Object.entries(labels).every(([name, value]) => has[name] === value);
    });
    if (found?.metadata?.name === undefined) return undefined;
    const { name } = found.metadata;
    const replicas = found.spec?.replicas ?? 1;
    const isShort = (found.status?.replicas ?? 0) < replicas;
    return { name, replicas, refusal: isShort ? await this.#refusal(name, signal) : undefined };
  }

  /** @throws cluster_unavailable, cluster_refused */
  async scale(name: string, replicas: number, signal: AbortSignal): Promise<void> {
    const { namespace } = this.#api;
    const options = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
    const patch = () =>
      this.#api.apps.patchNamespacedStatefulSetScale({ namespace, name, body: { spec: { replicas } } }, options);
    await this.#api.call({ workload: name, replicas }, patch, signal);
  }

  async #refusal(name: string, signal: AbortSignal): Promise<string | undefined> {
    const { namespace } = this.#api;
    const fieldSelector = `involvedObject.kind=StatefulSet,involvedObject.name=${name},reason=FailedCreate`;
    const list = () => this.#api.core.listNamespacedEvent({ namespace, fieldSelector });
    const { items } = await this.#api.call({ resource: 'events' }, list, signal);
    return items.at(-1)?.message;
  }
}
