import { type PrefillPod, type PrefillScore, type PrefillWork, scorePrefill } from './score.js';

/**
 * Why a prefill pod was taken. `only`: there was no other. `prefix`: none has more of the prompt. `queue`: one has
 * more, but waiting for it takes longer than it saves. `load`: none has anything of it.
 */
export const routeReasons = ['only', 'prefix', 'queue', 'load'] as const;
export type RouteReason = (typeof routeReasons)[number];

export interface PickedPrefill {
  /** Of the pods given. */
  readonly index: number;
  readonly reason: RouteReason;
  /** One for each pod. */
  readonly scores: readonly PrefillScore[];
}

/** Estimates that differ by less are equal: costs are not known better. */
const equalShare = 0.05;

/**
 * The pod with the earliest first token, the burden on others counted: where pods are busy, computing again what one
 * has takes time from those who come next. Of those that are as good, the one with the most of the prompt, then the one
 * that keeps the fewest blocks, so that prompts which are new spread over all caches; then the first.
 * @param pods at least one, in the order in which equals are preferred
 */
export function pickPrefill(pods: readonly PrefillPod[], prompt: Omit<PrefillWork, 'busyShare'>): PickedPrefill {
  const busy = pods.filter(({ pendingMs, otherRequests }) => pendingMs > 0 || otherRequests > 0);
  const work = { ...prompt, busyShare: busy.length / pods.length };
  const scores = pods.map((pod) => scorePrefill(pod, work));
  const best = Math.min(...scores.map(({ totalMs }) => totalMs));
  const good = [...pods.keys()].filter((i) => totalOf(scores, i) <= best * (1 + equalShare));
  const [index = 0] = good.toSorted((a, b) => {
    const [left, right] = [pods[a] as PrefillPod, pods[b] as PrefillPod];
    return right.cachedTokens - left.cachedTokens || left.keptBlocks - right.keptBlocks || a - b;
  });
  return { index, reason: reasonOf(pods, index), scores };
}

function reasonOf(pods: readonly PrefillPod[], picked: number): RouteReason {
  if (pods.length === 1) return 'only';
  const cachedTokens = pods[picked]?.cachedTokens ?? 0;
  const most = Math.max(...pods.map((pod) => pod.cachedTokens));
  if (most > cachedTokens) return 'queue';
  return cachedTokens > 0 ? 'prefix' : 'load';
}

function totalOf(scores: readonly PrefillScore[], index: number): number {
  return scores[index]?.totalMs ?? Number.POSITIVE_INFINITY;
}

/** A decode pod, as far as it matters for one answer. */
export interface DecodePod {
  readonly requests: number;
  readonly freeTokens: number;
}

/** The least busy of the pods that have room for the KV, or of all where none has; of equals the first. */
export function pickDecode(pods: readonly DecodePod[], tokens: number): number {
  const lacks = ({ freeTokens }: DecodePod) => (freeTokens < tokens ? 1 : 0);
  const [index = 0] = [...pods.keys()].toSorted((a, b) => {
    const [left, right] = [pods[a] as DecodePod, pods[b] as DecodePod];
    return lacks(left) - lacks(right) || left.requests - right.requests || a - b;
  });
  return index;
}
