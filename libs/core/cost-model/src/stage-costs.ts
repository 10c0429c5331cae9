/** Time to encode one image: `fixedMs + perPatchMs · patches`. */
export interface EncodeCost {
  readonly fixedMs: number;
  readonly perPatchMs: number;
}

/** Time to prefill a batch: `fixedMs + perTokenMs · Σn + perTokenSquaredMs · Σn²`, n the tokens that are not cached. */
export interface PrefillCost {
  readonly fixedMs: number;
  readonly perTokenMs: number;
  readonly perTokenSquaredMs: number;
}

/** Time of one decode step: `fixedMs + perContextTokenMs · Σcontext + perSequenceMs · batch`. */
export interface DecodeCost {
  readonly fixedMs: number;
  readonly perContextTokenMs: number;
  readonly perSequenceMs: number;
}

/** Time to move a tensor: `handshakeMs + bytes / bytesPerMs`. */
export interface TransferCost {
  readonly handshakeMs: number;
  readonly bytesPerMs: number;
}

/**
 * What the stages of a request cost on one GPU group of some shape. Decode has a fit for small and one for large
 * batches, because the kernels differ.
 * @see Zhong et al. 2024, "DistServe", arXiv:2401.09670, appendix on the latency model; encode is added in its form
 */
export interface StageCosts {
  readonly encode: EncodeCost;
  readonly prefill: PrefillCost;
  readonly decode: {
    readonly small: DecodeCost;
    readonly large: DecodeCost;
    /** Largest batch that the small fit is for. */
    readonly smallBatchMax: number;
  };
  readonly mediaTransfer: TransferCost;
  readonly kvTransfer: TransferCost;
  readonly mediaBytesPerPatch: number;
  readonly kvBytesPerToken: number;
}

export function encodeMs(cost: EncodeCost, patches: number): number {
  return cost.fixedMs + cost.perPatchMs * patches;
}

/**
 * @param tokens Σn over the batch
 * @param squares Σn² over the batch; with k cached tokens before the n of a prompt, n · (n + 2k)
 */
export function prefillMs(cost: PrefillCost, tokens: number, squares: number): number {
  return cost.fixedMs + cost.perTokenMs * tokens + cost.perTokenSquaredMs * squares;
}

/** The fit that holds for a batch of this size. */
export function decodeCostOf({ decode }: Pick<StageCosts, 'decode'>, batch: number): DecodeCost {
  return batch <= decode.smallBatchMax ? decode.small : decode.large;
}

export function transferMs(cost: TransferCost, bytes: number): number {
  return cost.handshakeMs + bytes / cost.bytesPerMs;
}
