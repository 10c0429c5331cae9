import { wire } from '@tercet/contracts';
import type { PodFacts } from '@tercet/facts';
import type { PrefillScore, RouteReason } from '@tercet/routing';
import type { ReuseGrid } from '@tercet/scheduler';

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
  /** What is known beside its load; absent where nobody asks. */
  readonly known?: KnownOfPod | undefined;
}

export interface KnownOfPod {
  /** What it has cached; absent while nothing is known of this role and epoch. */
  readonly facts: Pick<PodFacts, 'storedBlocks' | 'hasMedia' | 'keyCount'> | undefined;
  /** Absent when it keeps no prefixes. */
  readonly reuse: ReuseGrid | undefined;
  /** Prefill that this gateway sent there and that has no first token yet. */
  readonly pendingMs: number;
  /** Requests there that this gateway did not send. */
  readonly otherRequests: number;
  /** Tokens whose KV it has room for. */
  readonly freeTokens: number;
}

export interface PlanNeed {
  readonly model: string;
  /** Digests of the tiles to encode; without any, no encoder is needed. */
  readonly tiles: readonly number[];
  /** Same key, same encoder where there is a choice: its cache may have the media tokens. */
  readonly mediaKey: string;
  readonly promptTokens: number;
  /** The prompt's blocks as an engine with this grid names them, and what it would reuse of so many stored tokens. */
  readonly prefixOf: (reuse: ReuseGrid) => PromptPrefix;
  readonly needsDecode: boolean;
  /** Pods that failed this request before. Taken only when there is no other. */
  readonly avoid: ReadonlySet<string>;
}

export interface PromptPrefix {
  readonly blocks: readonly number[];
  readonly reused: (storedTokens: number) => number;
}

/** Which pods serve a request. Made once, before encode, and unchanged until the attempt ends. */
export interface RoutePlan<Pod> {
  /** For each tile the pod that encodes it. */
  readonly encoders: readonly PodView<Pod>[];
  readonly prefill: PodView<Pod>;
  readonly decode: PodView<Pod> | undefined;
  /** Why this prefill pod. */
  readonly route: Route;
}

export interface Route {
  readonly reason: RouteReason;
  /** What was expected of the pod; absent where only load counts. */
  readonly expected?: PrefillScore | undefined;
}

export type Planned<Pod> =
  | { readonly kind: 'planned'; readonly plan: RoutePlan<Pod> }
  | { readonly kind: 'missing'; readonly role: wire.Role };

/** Picks among pods that could all serve; they come in order of load, at least one. Pure. */
export interface Chooser {
  prefill(pods: readonly PodView<unknown>[], need: PlanNeed): { readonly index: number; readonly route: Route };
  decode(pods: readonly PodView<unknown>[], need: PlanNeed): number;
  /** For each tile the index of its pod. The pods come in the order that the media have a liking for. */
  encoders(pods: readonly PodView<unknown>[], need: PlanNeed): readonly number[];
}

/** Picks a pod for each stage, all with the same weights. Pure: the same pods and need give the same plan. */
export function planRoute<Pod>(pods: readonly PodView<Pod>[], need: PlanNeed, chooser: Chooser): Planned<Pod> {
  const serving = pods.filter(({ model }) => model === need.model);
  const preferred = serving.filter(({ podId }) => !need.avoid.has(podId));
  const of = (role: wire.Role, digest?: string) => {
    const fits = (pod: PodView<Pod>) => pod.role === role && (digest === undefined || pod.modelDigest === digest);
    const fresh = preferred.filter(fits);
    return (fresh.length > 0 ? fresh : serving.filter(fits)).toSorted(lessBusy);
  };
  const prefills = of(wire.Role.ROLE_PREFILL);
  if (prefills.length === 0) return { kind: 'missing', role: wire.Role.ROLE_PREFILL };
  const { index, route } = chooser.prefill(prefills, need);
  const prefill = prefills[index] as PodView<Pod>;
  const decodes = need.needsDecode ? of(wire.Role.ROLE_DECODE, prefill.modelDigest) : [];
  if (need.needsDecode && decodes.length === 0) return { kind: 'missing', role: wire.Role.ROLE_DECODE };
  const encoders = need.tiles.length === 0 ? [] : of(wire.Role.ROLE_ENCODE, prefill.modelDigest);
  if (need.tiles.length > 0 && encoders.length === 0) return { kind: 'missing', role: wire.Role.ROLE_ENCODE };
  const liked = encoders.toSorted((a, b) => affinity(need.mediaKey, b.podId) - affinity(need.mediaKey, a.podId));
  const dealt = need.tiles.length === 0 ? [] : chooser.encoders(liked, need);
  const decode = need.needsDecode ? decodes[chooser.decode(decodes, need)] : undefined;
  return {
    kind: 'planned',
    plan: { encoders: dealt.map((encoder) => liked[encoder] as PodView<Pod>), prefill, decode, route },
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
