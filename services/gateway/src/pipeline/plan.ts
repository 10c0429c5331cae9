import { wire } from '@tercet/contracts';

/** A pod that is ready, as far as planning is concerned. */
export interface PodView<Pod> {
  readonly pod: Pod;
  readonly podId: string;
  readonly role: wire.Role;
  readonly epoch: bigint;
  readonly model: string;
  readonly modelDigest: string;
  /** Requests that it works on or that wait there. */
  readonly busy: number;
}

export interface PlanNeed {
  readonly model: string;
  /** Tiles to encode; 0 needs no encoder. */
  readonly tileCount: number;
  /** Same key, same encoder where there is a choice: its cache may have the media tokens. */
  readonly mediaKey: string;
  readonly needsDecode: boolean;
  /** Pods that failed this request before. Taken only when there is no other. */
  readonly avoid: ReadonlySet<string>;
}

/** Which pods serve a request. Made once, before encode, and unchanged until the attempt ends. */
export interface RoutePlan<Pod> {
  readonly encoders: readonly PodView<Pod>[];
  readonly prefill: PodView<Pod>;
  readonly decode: PodView<Pod> | undefined;
}

export type Planned<Pod> =
  | { readonly kind: 'planned'; readonly plan: RoutePlan<Pod> }
  | { readonly kind: 'missing'; readonly role: wire.Role };

/**
 * Picks the least busy pod of each stage, all with the same weights; every encoder takes part when there are tiles for
 * it. Pure: the same pods and need give the same plan.
 */
export function planRoute<Pod>(pods: readonly PodView<Pod>[], need: PlanNeed): Planned<Pod> {
  const serving = pods.filter(({ model }) => model === need.model);
  const preferred = serving.filter(({ podId }) => !need.avoid.has(podId));
  const of = (role: wire.Role, digest?: string) => {
    const fits = (pod: PodView<Pod>) => pod.role === role && (digest === undefined || pod.modelDigest === digest);
    const fresh = preferred.filter(fits);
    return (fresh.length > 0 ? fresh : serving.filter(fits)).toSorted(lessBusy);
  };
  const [prefill] = of(wire.Role.ROLE_PREFILL);
  if (prefill === undefined) return { kind: 'missing', role: wire.Role.ROLE_PREFILL };
  const [decode] = of(wire.Role.ROLE_DECODE, prefill.modelDigest);
  if (need.needsDecode && decode === undefined) return { kind: 'missing', role: wire.Role.ROLE_DECODE };
  const encoders = need.tileCount === 0 ? [] : of(wire.Role.ROLE_ENCODE, prefill.modelDigest);
  if (need.tileCount > 0 && encoders.length === 0) return { kind: 'missing', role: wire.Role.ROLE_ENCODE };
  const ordered = encoders.toSorted((a, b) => affinity(need.mediaKey, b.podId) - affinity(need.mediaKey, a.podId));
  return {
    kind: 'planned',
    plan: { encoders: ordered.slice(0, need.tileCount), prefill, decode: need.needsDecode ? decode : undefined },
  };
}

function lessBusy(a: PodView<unknown>, b: PodView<unknown>): number {
  return a.busy - b.busy || (a.podId < b.podId ? -1 : 1);
}

/** Rendezvous hashing: of the pods that are there, each key has one order. @see Thaler & Ravishankar 1998 */
function affinity(key: string, podId: string): number {
  let hash = 0x811c9dc5;
  for (const character of `${key} ${podId}`) hash = Math.imul(hash ^ (character.codePointAt(0) as number), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
