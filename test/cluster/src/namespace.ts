import { execFileSync, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppsV1Api, CoreV1Api, CustomObjectsApi, DiscoveryV1Api, KubeConfig } from '@kubernetes/client-node';
import { poolLabel, roleLabel, type ServingPoolSpec, type ServingPoolStatus } from '@tercet/kubernetes';
import { startedCluster } from './config.js';
import type { Manifest, ShownPool } from './manifests.js';
import { ports } from './manifests.js';

const { kubeconfig, kubectl } = startedCluster();
const config = new KubeConfig();
config.loadFromFile(kubeconfig);

export const core = config.makeApiClient(CoreV1Api);
export const apps = config.makeApiClient(AppsV1Api);
const custom = config.makeApiClient(CustomObjectsApi);
const discovery = config.makeApiClient(DiscoveryV1Api);

export interface StoredPool {
  readonly metadata: { readonly generation: number };
  readonly spec: ServingPoolSpec;
  readonly status?: ServingPoolStatus;
}

/** A namespace of the test's own; what is in it goes with it. */
export class Namespace implements AsyncDisposable {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  static async open(name: string): Promise<Namespace> {
    await core.createNamespace({ body: { metadata: { name } } });
    return new Namespace(name);
  }

  apply(manifests: readonly Manifest[]): void {
    this.#kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests }));
  }

  /** @returns what the API server said against it; `undefined` when it took it */
  refusal(manifest: Manifest): string | undefined {
    const input = JSON.stringify(manifest);
    const done = spawnSync(kubectl, ['--kubeconfig', kubeconfig, '-n', this.name, 'apply', '-f', '-'], { input });
    return done.status === 0 ? undefined : done.stderr.toString();
  }

  /** Changes the spec of a pool. */
  changePool(name: string, spec: Readonly<Record<string, unknown>>): void {
    this.#kubectl(['patch', 'servingpool', name, '--type=merge', '-p', JSON.stringify({ spec })]);
  }

  scalePool(name: string, pods: number): void {
    this.#kubectl(['scale', `servingpool/${name}`, `--replicas=${pods}`]);
  }

  /** Puts a role label on a pod, as somebody might by hand. */
  label(pod: string, role: string): void {
    this.#kubectl(['label', '--overwrite', `pod/${pod}`, `${roleLabel}=${role}`]);
  }

  remove(kind: string, name: string): void {
    this.#kubectl(['delete', kind, name]);
  }

  /** What `kubectl get` prints. */
  table(...args: string[]): string {
    return this.#kubectl(['get', ...args]);
  }

  async pool(name: string): Promise<StoredPool> {
    const place = { group: 'tercet.dev', version: 'v1alpha1', plural: 'servingpools', namespace: this.name };
    return (await custom.getNamespacedCustomObject({ ...place, name })) as StoredPool;
  }

  /** Status and message of a condition. */
  async condition(pool: string, type: string): Promise<string> {
    const { status } = await this.pool(pool);
    const found = status?.conditions?.find((condition) => condition.type === type);
    return found === undefined ? 'none' : `${found.status} ${found.reason}: ${found.message}`;
  }

  async pods(selector: string) {
    return (await core.listNamespacedPod({ namespace: this.name, labelSelector: selector })).items;
  }

  /** The role label of each pod of a pool, by its name. */
  async roles(pool: string): Promise<Record<string, string>> {
    const pods = await this.pods(`${poolLabel}=${pool}`);
    return Object.fromEntries(pods.map(({ metadata }) => [metadata?.name, metadata?.labels?.[roleLabel] ?? 'none']));
  }

  /** Names of the pods that a Service leads to. */
  async behind(service: string): Promise<string[]> {
    const labelSelector = `kubernetes.io/service-name=${service}`;
    const { items } = await discovery.listNamespacedEndpointSlice({ namespace: this.name, labelSelector });
    return items.flatMap(({ endpoints }) => (endpoints ?? []).map(({ targetRef }) => targetRef?.name ?? '')).sort();
  }

  async events(reason: string): Promise<string[]> {
    const { items } = await core.listNamespacedEvent({ namespace: this.name, fieldSelector: `reason=${reason}` });
    return items.map(({ message }) => message ?? '');
  }

  async leader(): Promise<string> {
    return this.#kubectl(['get', 'lease', 'tercet-controller', '-o', 'jsonpath={.spec.holderIdentity}']);
  }

  /** What a program in a container prints. */
  exec(workload: string, ...command: string[]): string {
    return this.#kubectl(['exec', workload, '--', ...command]);
  }

  /** As a machine that breaks takes it away: at once. */
  async kill(pod: string): Promise<void> {
    await core.deleteNamespacedPod({ namespace: this.name, name: pod, gracePeriodSeconds: 0 });
  }

  /** Address of a Service inside the cluster, which this machine reaches as well. */
  async serviceAddress(name: string): Promise<string> {
    const { spec } = await core.readNamespacedService({ namespace: this.name, name });
    return spec?.clusterIP ?? '';
  }

  /** Asks the gateway of this namespace; its pod is reached from this machine. */
  async chat(body: object): Promise<Response> {
    const [gateway] = await this.pods('app=gateway');
    return this.chatAt(gateway?.status?.podIP ?? '', body);
  }

  /** The same, without asking the cluster where the gateway is. */
  async chatAt(address: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`http://${address}:${ports.http}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'tercet-tiny', temperature: 0, ...body }),
    });
  }

  /** What the page's view of the cluster is made from. */
  async shownPools(): Promise<readonly ShownPool[]> {
    const [gateway] = await this.pods('app=gateway');
    return this.shownPoolsAt(gateway?.status?.podIP ?? '');
  }

  async shownPoolsAt(address: string): Promise<readonly ShownPool[]> {
    const response = await fetch(`http://${address}:${ports.http}/tercet/cluster`);
    return ((await response.json()) as { pools: ShownPool[] }).pools;
  }

  /** Somebody gives the workload of a pool another number of pods, past the controller. */
  scaleWorkload(name: string, replicas: number): void {
    this.#kubectl(['scale', `statefulset/${name}`, `--replicas=${replicas}`]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await core.deleteNamespace({ name: this.name, gracePeriodSeconds: 0 });
  }

  #kubectl(args: readonly string[], input = ''): string {
    return execFileSync(kubectl, ['--kubeconfig', kubeconfig, '-n', this.name, ...args], { input }).toString();
  }
}

/** Waits until what is read is as it should be. @returns how long that took @throws with what was read last */
export async function eventually<T>(
  read: () => Promise<T>,
  isMet: (value: T) => boolean,
  withinMs = 60_000,
): Promise<number> {
  const beganMs = performance.now();
  for (;;) {
    const value = await read().catch((error: unknown) => error as T);
    const tookMs = performance.now() - beganMs;
    if (!(value instanceof Error) && isMet(value)) return tookMs;
    if (tookMs > withinMs) {
      const text = value instanceof Error ? value.message : JSON.stringify(value);
      throw new Error(`not within ${withinMs} ms: ${text}`);
    }
    await sleep(50);
  }
}

/** How many pods have each role. */
export function countsOf(roles: Readonly<Record<string, string>>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const role of Object.values(roles)) counts[role] = (counts[role] ?? 0) + 1;
  return counts;
}
