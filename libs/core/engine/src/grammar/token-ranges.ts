import type { TextState, TextStates } from './text-state.js';
import type { TokenTrie } from './token-trie.js';

/** Tokens that may come next, as ranges [from, to) of the trie's `tokenIds`, one after the other. */
export interface TokenRanges {
  readonly borders: Int32Array;
  readonly count: number;
  /** Nodes of the vocabulary that were looked at to find them. */
  readonly visited: number;
}

/** Walks the vocabulary along the texts that may come next. */
export function tokenRangesOf(trie: TokenTrie, states: TextStates, state: TextState): TokenRanges {
  const { byte, depth, end, firstToken, plainBelow } = trie;
  const borders: number[] = [];
  let count = 0;
  let visited = 0;
  /** By depth: the state that the path to a node leads to. */
  const path: TextState[] = [state];
  let node = 1;
  while (node < trie.nodeCount) {
    visited++;
    const level = depth[node] as number;
    const next = states.step(path[level - 1] as TextState, byte[node] as number);
    const after = end[node] as number;
    if (next === null) {
      node = after;
      continue;
    }
    path[level] = next;
    const isWhole = next.textRoom >= (plainBelow[node] as number) && plainBelow[node] !== 0xffff;
    const from = firstToken[node] as number;
    const to = firstToken[isWhole ? after : node + 1] as number;
    if (to > from) {
      if (borders.at(-1) === from) borders[borders.length - 1] = to;
      else borders.push(from, to);
      count += to - from;
    }
    node = isWhole ? after : node + 1;
  }
  return { borders: Int32Array.from(borders), count, visited };
}

/** Sets every logit to -infinity but those of the ranges and of `also`. Cost: the smaller side, and one fill. */
export function maskLogits(
  out: Float32Array,
  { trie, scratch }: { readonly trie: TokenTrie; readonly scratch: Float32Array },
  allowed: { readonly ranges: TokenRanges; readonly also: readonly number[] },
): void {
  const { ranges, also } = allowed;
  const kept = also.map((tokenId) => out[tokenId] as number);
  if (ranges.count > trie.tokenIds.length / 2) forbidOthers(out, trie, ranges);
  else {
    copyLogits(trie, ranges, { from: out, to: scratch });
    out.fill(Number.NEGATIVE_INFINITY);
    copyLogits(trie, ranges, { from: scratch, to: out });
  }
  also.forEach((tokenId, i) => {
    out[tokenId] = kept[i] as number;
  });
}

function forbidOthers(out: Float32Array, { tokenIds, silentTokenIds }: TokenTrie, { borders }: TokenRanges): void {
  let from = 0;
  for (let i = 0; i <= borders.length; i += 2) {
    const to = borders[i] ?? tokenIds.length;
    for (let at = from; at < to; at++) out[tokenIds[at] as number] = Number.NEGATIVE_INFINITY;
    from = borders[i + 1] ?? to;
  }
  for (let i = 0; i < silentTokenIds.length; i++) out[silentTokenIds[i] as number] = Number.NEGATIVE_INFINITY;
}

function copyLogits(
  { tokenIds }: TokenTrie,
  { borders }: TokenRanges,
  { from, to }: { readonly from: Float32Array; readonly to: Float32Array },
): void {
  for (let i = 0; i < borders.length; i += 2) {
    for (let at = borders[i] as number; at < (borders[i + 1] as number); at++) {
      const tokenId = tokenIds[at] as number;
      to[tokenId] = from[tokenId] as number;
    }
  }
}
