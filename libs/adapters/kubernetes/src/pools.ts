import { PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { TercetError } from '@tercet/contracts';
import type { KubernetesApi } from './api.js';
import {
  PoolSpecSchema,
  PoolStatusSchema,
  poolGroup,
  poolPlural,
  poolRules,
  poolVersion,
  type ServingPool,
  type ServingPoolStatus,
} from './serving-pool.js';

/** A resource that cannot be read, and why: its controller does nothing with it. */
export interface UnreadablePool {
  readonly name: string;
  readonly problem: string;
}

export interface Pools {
  readonly pools: readonly ServingPool[];
  readonly unreadable: readonly UnreadablePool[];
}

export type StatusChange = { readonly [Field in keyof ServingPoolStatus]?: ServingPoolStatus[Field] | undefined };

const writesMax = 5;

/** The `ServingPool` resources of a namespace. */
export class ServingPools {
  readonly #api: KubernetesApi;

  constructor(api: KubernetesApi) {
    this.#api = api;
  }

  /** @throws cluster_unavailable, cluster_refused */
  async list(signal: AbortSignal): Promise<Pools> {
    const details = { resource: poolPlural };
    const found = await this.#api.call(
      details,
      () => this.#api.custom.listNamespacedCustomObject(this.#place()),
      signal,
    );
    const read = ((found as { items?: unknown[] }).items ?? []).map(readPool);
    return {
      pools: read.filter((pool) => 'spec' in pool),
      unreadable: read.filter((pool) => 'problem' in pool),
    };
  }

  /** @throws cluster_unavailable, cluster_refused when there is none of this name, config_invalid */
  async read(name: string, signal: AbortSignal): Promise<ServingPool> {
    const pool = readPool(await this.#get(name, signal));
    if ('problem' in pool) throw new TercetError('config_invalid', { pool: name, problem: pool.problem });
    return pool;
  }

  /**
   * Writes fields of the status, as the leader of a term; one that is `undefined` goes. Two leaders never mix: a write
   * is tried on what was read, and what a later term wrote stays.
   * @throws leadership_lost, cluster_unavailable, cluster_refused, cluster_conflict
   */
  async writeStatus(
    name: string,
    change: StatusChange,
    { term, signal }: { readonly term: number; readonly signal: AbortSignal },
  ): Promise<void> {
    for (let tries = 1; ; tries++) {
      const { metadata, status } = (await this.#get(name, signal)) as StoredPool;
      const { term: written = 0 } = status ?? {};
      if (written > term) throw new TercetError('leadership_lost', { pool: name, term, written });
      const fields = Object.entries(change).map(([field, value]) => [field, value === undefined ? null : value]);
      const { resourceVersion } = metadata;
      const body = { metadata: { resourceVersion }, status: { ...Object.fromEntries(fields), term } };
      try {
        await this.#api.call({ pool: name }, () => this.#patchStatus(name, body), signal);
        return;
      } catch (error) {
        if (!(error instanceof TercetError) || error.code !== 'cluster_conflict' || tries === writesMax) throw error;
      }
    }
  }

  async #get(name: string, signal: AbortSignal): Promise<unknown> {
    const ask = () => this.#api.custom.getNamespacedCustomObject({ ...this.#place(), name });
    return this.#api.call({ pool: name }, ask, signal);
  }

  async #patchStatus(name: string, body: object): Promise<void> {
    const options = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
    await this.#api.custom.patchNamespacedCustomObjectStatus({ ...this.#place(), name, body }, options);
  }

  #place() {
    return { group: poolGroup, version: poolVersion, namespace: this.#api.namespace, plural: poolPlural };
  }
}

interface StoredPool {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly generation?: number;
    readonly resourceVersion: string;
    readonly creationTimestamp: string;
  };
  readonly spec?: unknown;
  readonly status?: ServingPoolStatus;
}

function readPool(stored: unknown): ServingPool | UnreadablePool {
  const { metadata, spec, status } = stored as StoredPool;
  const { name, uid, generation = 0, creationTimestamp } = metadata;
  const read = PoolSpecSchema.safeParse(spec ?? {});
  if (!read.success) return { name, problem: read.error.issues.map(toText).join('; ') };
  const broken = poolRules.filter(({ isMet }) => !isMet(read.data));
  if (broken.length > 0) return { name, problem: broken.map(({ message }) => message).join('; ') };
  const known = PoolStatusSchema.safeParse(status ?? {});
  if (!known.success) return { name, problem: `status: ${known.error.issues.map(toText).join('; ')}` };
  return { name, uid, generation, createdMs: Date.parse(creationTimestamp), spec: read.data, status: known.data };
}

function toText({ path, message }: { readonly path: readonly PropertyKey[]; readonly message: string }): string {
  return `${path.map(String).join('.')}: ${message}`;
}
