import { type PrefillCost, prefillMs } from '@tercet/cost-model';

/** A prefill pod, as far as it matters for one prompt. */
export interface PrefillPod {
  /** Leading tokens of the prompt that it will not compute. */
  readonly cachedTokens: number;
  /** Computing that this gateway sent there and that has not come to a first token yet. */
  readonly pendingMs: number;
  /** Requests there that this gateway did not send. */
  readonly otherRequests: number;
  /** Tokens whose KV it has room for without ending a request. */
  readonly freeTokens: number;
  /** Blocks of earlier prompts that it keeps. */
  readonly keptBlocks: number;
}

export interface PrefillWork {
  readonly promptTokens: number;
  /** Of the model, as its pods were measured. */
  readonly cost: PrefillCost;
  /** Share of the pods that have something to do. */
  readonly busyShare: number;
}

/** When the first token may be expected, and what makes it so. Times in ms; `waitMs` and `roomMs` come first. */
export interface PrefillScore {
  readonly cachedTokens: number;
  /** For the requests before it; those of others are taken to be as this one, with nothing cached. */
  readonly waitMs: number;
  /** For KV room: as long as the tokens that must go take to compute, as requests which hold them still run. */
  readonly roomMs: number;
  readonly computeMs: number;
  /** What the computing takes from requests that come after it, as likely as a pod is busy. */
  readonly burdenMs: number;
  /** What the cached tokens would have cost. */
  readonly savedMs: number;
  readonly totalMs: number;
}

/** Estimates by the cost model what it takes to have a prompt's first token from a pod. */
export function scorePrefill(pod: PrefillPod, { promptTokens, cost, busyShare }: PrefillWork): PrefillScore {
  const { cachedTokens, pendingMs, otherRequests, freeTokens } = pod;
  const coldMs = partMs(cost, promptTokens, 0);
  const computeMs = partMs(cost, promptTokens - cachedTokens, cachedTokens);
  const burdenMs = busyShare * computeMs;
  const waitMs = pendingMs + otherRequests * coldMs;
  const missingTokens = Math.max(0, promptTokens - freeTokens);
  const roomMs = missingTokens === 0 ? 0 : partMs(cost, missingTokens, 0);
  return {
    cachedTokens,
    waitMs,
    roomMs,
    computeMs,
    burdenMs,
    savedMs: coldMs - computeMs,
    totalMs: waitMs + roomMs + computeMs + burdenMs,
  };
}

/** A part of a prompt, after so many tokens of it: attention looks at those too. */
function partMs(cost: PrefillCost, tokens: number, tokensBefore: number): number {
  return prefillMs(cost, tokens, tokens * (tokens + 2 * tokensBefore));
}
