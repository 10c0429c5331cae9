import { prefillMs } from '@tercet/cost-model';
import { localEncodeMs, orderBy } from './encode-pass.js';
import type { FleetShape } from './fleet.js';
import { IndexedHeap } from './indexed-heap.js';
import type { Trace } from './trace.js';

export interface PrefillPass {
  readonly groups: number;
  readonly shape: FleetShape;
  /** No encoder has seen the images. */
  readonly encodesHere: boolean;
  readonly readyMs: Float64Array;
  /** When each request's first token is there. */
  readonly outFirstMs: Float64Array;
}

const none = 0xffffffff;

/**
 * Prompts go to the group whose backlog ends first, and each group takes what waits into batches, first come first
 * served. Backlogs are counted as if every prompt were a batch of its own.
 */
export function prefillPass(trace: Trace, pass: PrefillPass): void {
  const { groups, shape, readyMs } = pass;
  const order = orderBy(readyMs);
  const backlog = new IndexedHeap(groups, 0);
  const heads = new Uint32Array(groups).fill(none);
  const tails = new Uint32Array(groups).fill(none);
  const next = new Uint32Array(trace.length).fill(none);
  for (const request of order) {
    const group = backlog.least;
    const alone = prefillMs(shape.costs.prefill, uncached(trace, request), squareOf(trace, request));
    const encode = pass.encodesHere ? localEncodeMs(trace, request, shape) : 0;
    backlog.set(group, Math.max(backlog.leastKey, readyMs[request] as number) + alone + encode);
    const tail = tails[group] as number;
    if (tail === none) heads[group] = request;
    else next[tail] = request;
    tails[group] = request;
  }
  for (const head of heads) if (head !== none) runQueue(trace, pass, { head, next });
}

/** The queue of one group, a linked list. */
function runQueue(trace: Trace, pass: PrefillPass, queue: { head: number; next: Uint32Array }): void {
  const { shape, readyMs, outFirstMs, encodesHere } = pass;
  const { prefill } = shape.costs;
  let nowMs = 0;
  for (let first = queue.head; first !== none; ) {
    nowMs = Math.max(nowMs, readyMs[first] as number);
    let tokens = 0;
    let squares = 0;
    let encodeMs = 0;
    let end = first;
    while (end !== none && (readyMs[end] as number) <= nowMs) {
      const more = uncached(trace, end);
      if (end !== first && tokens + more > shape.batchTokensMax) break;
      tokens += more;
      squares += squareOf(trace, end);
      if (encodesHere) encodeMs += localEncodeMs(trace, end, shape);
      end = queue.next[end] as number;
    }
    nowMs += encodeMs + prefillMs(prefill, tokens, squares);
    for (let request = first; request !== end; request = queue.next[request] as number) outFirstMs[request] = nowMs;
    first = end;
  }
}

export function uncached({ promptTokens, cachedTokens }: Trace, request: number): number {
  return (promptTokens[request] as number) - (cachedTokens[request] as number);
}

/** Pairs of tokens that attention computes, doubled: n² for a whole prompt. */
export function squareOf(trace: Trace, request: number): number {
  const tokens = uncached(trace, request);
  return tokens * (tokens + 2 * (trace.cachedTokens[request] as number));
}
