import {
  type CoreV1Event,
  PatchStrategy,
  setHeaderOptions,
  type V1ManagedFieldsEntry,
  type V1ObjectMeta,
} from '@kubernetes/client-node';
import type { KubernetesApi } from './api.js';

/** What makes the pods of a pool. */
export interface Workload {
  readonly name: string;
  /** Pods that it shall make. */
  readonly replicas: number;
  /** Why it cannot make them, in the API server's words: a quota that refuses, for example. */
  readonly refusal: string | undefined;
  /** Who last wrote it as a whole, its number of pods among the rest: Helm, for example. */
  readonly installedBy: string | undefined;
  /** Who gave it its number of pods by its scale, where the API server knows: it forgets that of a workload of none. */
  readonly scaledBy: string | undefined;
  /** Name of an autoscaler that is set on it. */
  readonly autoscaler: string | undefined;
}

/** By this name the API server knows what this controller wrote. */
const fieldManager = 'tercet-controller';

/** The workloads of pools: StatefulSets, whose pods keep their names and so their recorded roles. */
export class PoolWorkloads {
  readonly #api: KubernetesApi;
  /** Refusals that were there before the last number of pods was given. */
  #old: ReadonlySet<string> = new Set();

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
    const sized = (found.metadata.managedFields ?? []).filter(ownsReplicas).at(-1);
    const by = sized?.manager === fieldManager ? undefined : sized?.manager;
    const isWhole = sized?.subresource === undefined;
    return {
      ...{ name, replicas, refusal: isShort ? await this.#refusal(name, signal) : undefined },
      ...{ installedBy: isWhole ? by : undefined, scaledBy: isWhole ? undefined : by },
      autoscaler: await this.#autoscaler(name, signal),
    };
  }

  /** @throws cluster_unavailable, cluster_refused */
  async scale(name: string, replicas: number, signal: AbortSignal): Promise<void> {
    const { namespace } = this.#api;
    const options = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
    this.#old = new Set((await this.#refusals(name, signal)).map(({ metadata }) => versionOf(metadata)));
    const patch = () =>
      this.#api.apps.patchNamespacedStatefulSetScale(
        { namespace, name, fieldManager, body: { spec: { replicas } } },
        options,
      );
    await this.#api.call({ workload: name, replicas }, patch, signal);
  }

  async #autoscaler(workload: string, signal: AbortSignal): Promise<string | undefined> {
    const { namespace } = this.#api;
    const list = () => this.#api.autoscaling.listNamespacedHorizontalPodAutoscaler({ namespace });
    const { items } = await this.#api.call({ resource: 'horizontalpodautoscalers' }, list, signal);
    const found = items.find(({ spec }) => {
      const { kind, name } = spec?.scaleTargetRef ?? {};
      return kind === 'StatefulSet' && name === workload;
    });
    return found?.metadata?.name;
  }

  /** What was said of pods that could not be made, since this gave the workload its number of them. */
  async #refusal(name: string, signal: AbortSignal): Promise<string | undefined> {
    const refusals = await this.#refusals(name, signal);
    return refusals.filter(({ metadata }) => !this.#old.has(versionOf(metadata))).at(-1)?.message;
  }

  async #refusals(name: string, signal: AbortSignal): Promise<CoreV1Event[]> {
    const { namespace } = this.#api;
    const fieldSelector = `involvedObject.kind=StatefulSet,involvedObject.name=${name},reason=FailedCreate`;
    const list = () => this.#api.core.listNamespacedEvent({ namespace, fieldSelector });
    const { items } = await this.#api.call({ resource: 'events' }, list, signal);
    this.#old = new Set(items.map(({ metadata }) => versionOf(metadata)).filter((version) => this.#old.has(version)));
    return items;
  }
}

/** One that is told again is another one. */
function versionOf({ uid, resourceVersion }: V1ObjectMeta): string {
  return `${uid} ${resourceVersion}`;
}

function ownsReplicas({ fieldsV1 }: V1ManagedFieldsEntry): boolean {
  const { 'f:spec': spec } = (fieldsV1 ?? {}) as { 'f:spec'?: Readonly<Record<string, unknown>> };
  return spec?.['f:replicas'] !== undefined;
}
