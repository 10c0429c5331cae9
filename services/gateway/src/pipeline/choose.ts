import type { PrefillCost } from '@tercet/cost-model';
import { blockTokens } from '@tercet/kv';
import { dealTiles, type PrefillPod, pickDecode, pickPrefill } from '@tercet/routing';
import type { Chooser, KnownOfPod, PlanNeed, PodView } from './plan.js';

/** The least busy pod of each stage; every encoder takes part when there are tiles for it. */
export const byLoad: Chooser = {
  prefill: (pods) => ({ index: 0, route: { reason: pods.length === 1 ? 'only' : 'load' } }),
  decode: () => 0,
  encoders: (pods, { tiles }) =>
    dealTiles(
      tiles.map(() => []),
      pods.map(() => ({ requests: 0 })),
    ),
};

/**
 * The prefill pod with the earliest first token by the cost model, what it has cached of the prompt included; a decode
 * pod with room; tiles where their media tokens are.
 */
export function byCache(costOf: (model: string) => PrefillCost): Chooser {
  return {
    prefill(pods, need) {
      const { promptTokens, model } = need;
      const candidates = pods.map((pod) => prefillPodOf(pod, need));
      const { index, reason, scores } = pickPrefill(candidates, { promptTokens, cost: costOf(model) });
      return { index, route: { reason, expected: scores[index] } };
    },
    decode: (pods, { promptTokens }) =>
      pickDecode(
        pods.map(({ busy, known }) => ({ requests: busy, freeTokens: known?.freeTokens ?? 0 })),
        promptTokens,
      ),
    encoders: (pods, { tiles }) =>
      dealTiles(
        tiles.map((tile) => [...pods.keys()].filter((i) => pods[i]?.known?.facts?.hasMedia(tile) === true)),
        pods.map(({ busy }) => ({ requests: busy })),
      ),
  };
}

function prefillPodOf({ known, busy }: PodView<unknown>, need: PlanNeed): PrefillPod {
  if (known === undefined) {
    return { cachedTokens: 0, pendingMs: 0, otherRequests: busy, freeTokens: need.promptTokens, keptBlocks: 0 };
  }
  const { facts, pendingMs, otherRequests, freeTokens } = known;
  const cachedTokens = cachedTokensOf(known, need);
  return { cachedTokens, pendingMs, otherRequests, freeTokens, keptBlocks: facts?.keyCount.prefixBlocks ?? 0 };
}

function cachedTokensOf({ facts, reuse }: KnownOfPod, need: PlanNeed): number {
  if (facts === undefined || reuse === undefined) return 0;
  const { blocks, reused } = need.prefixOf(reuse);
  return reused(facts.storedBlocks(blocks) * blockTokens);
}
