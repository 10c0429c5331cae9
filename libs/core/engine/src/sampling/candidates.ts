/** Tokens that may be drawn, and their weights, which need not sum to 1. Memory for one vocabulary, used again. */
export interface Candidates {
  readonly tokenIds: Int32Array;
  readonly weights: Float64Array;
  count: number;
  /** Sum of the weights, but for rounding. */
  total: number;
}

export function candidatesFor(vocabSize: number): Candidates {
  return { tokenIds: new Int32Array(vocabSize), weights: new Float64Array(vocabSize), count: 0, total: 0 };
}

/** Less weight, or as much with a higher id: a total order. */
export function isWorse({ weights, tokenIds }: Candidates, a: number, b: number): boolean {
  const difference = (weights[a] as number) - (weights[b] as number);
  return difference < 0 || (difference === 0 && (tokenIds[a] as number) > (tokenIds[b] as number));
}

export function swap({ weights, tokenIds }: Candidates, a: number, b: number): void {
  const weight = weights[a] as number;
  weights[a] = weights[b] as number;
  weights[b] = weight;
  const tokenId = tokenIds[a] as number;
  tokenIds[a] = tokenIds[b] as number;
  tokenIds[b] = tokenId;
}
