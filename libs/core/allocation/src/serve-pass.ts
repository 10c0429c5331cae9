import { prefillMs } from '@tercet/cost-model';
import { DecodeGroup } from './decode-group.js';
import { localEncodeMs, orderBy } from './encode-pass.js';
import type { FleetShape } from './fleet.js';
import { IndexedHeap } from './indexed-heap.js';
import { uncached } from './prefill-pass.js';
import type { Trace } from './trace.js';

export interface ServePass {
  readonly groups: number;
  readonly shape: FleetShape;
  readonly encodesHere: boolean;
  readonly readyMs: Float64Array;
  readonly outFirstMs: Float64Array;
  readonly outEndMs: Float64Array;
}

/**
 * Groups that prefill and decode in one loop: while prompts wait, every step takes a chunk of them along with all
 * decodes, which then wait for it; without prompts, decode steps follow one another.
 * @see Agrawal et al. 2024, "Sarathi-Serve", arXiv:2403.02310
 */
export function servePass(trace: Trace, pass: ServePass): void {
  const { groups: groupCount, readyMs } = pass;
  const groups = Array.from({ length: groupCount }, () => new ServeGroup(trace, pass));
  const loads = new IndexedHeap(groupCount, 0);
  const events = new IndexedHeap(groupCount, Number.POSITIVE_INFINITY);
  const order = orderBy(readyMs);
  for (let at = 0; ; ) {
    const ready = at < order.length ? (readyMs[order[at] as number] as number) : Number.POSITIVE_INFINITY;
    const eventMs = events.leastKey;
    if (ready === Number.POSITIVE_INFINITY && eventMs === Number.POSITIVE_INFINITY) return;
    const index = eventMs <= ready ? events.least : loads.least;
    const group = groups[index] as ServeGroup;
    if (eventMs <= ready) group.happen(eventMs);
    else group.take(order[at++] as number, ready);
    loads.set(index, group.load);
    events.set(index, group.nextMs);
  }
}

class ServeGroup {
  readonly #trace: Trace;
  readonly #pass: ServePass;
  readonly #decode: DecodeGroup;
  #prompts: number[] = [];
  /** Tokens of the first prompt that are computed. */
  #computed = 0;
  /** Tokens and end of the step with a chunk that runs now. */
  #chunk: { readonly tokens: number; readonly endMs: number } | undefined;

  constructor(trace: Trace, pass: ServePass) {
    this.#trace = trace;
    this.#pass = pass;
    const { shape, outEndMs } = pass;
    this.#decode = new DecodeGroup({ trace, costs: shape.costs, limits: shape, outEndMs });
  }

  get load(): number {
    return this.#prompts.length + this.#decode.load;
  }

  get nextMs(): number {
    return this.#chunk?.endMs ?? this.#decode.nextEndMs;
  }

  take(request: number, atMs: number): void {
    this.#prompts.push(request);
    if (this.#chunk !== undefined) return;
    this.#decode.advance(atMs);
    this.#decode.endDone();
    this.#startChunk();
  }

  /** The step with a chunk ended, or a sequence did. */
  happen(atMs: number): void {
    const decode = this.#decode;
    if (this.#chunk === undefined) {
      decode.advance(atMs);
      decode.endDone();
      return;
    }
    const { tokens } = this.#chunk;
    this.#chunk = undefined;
    decode.nowMs = atMs;
    decode.skip(1);
    decode.endDone();
    this.#finishPrompts(tokens);
    this.#startChunk();
  }

  #finishPrompts(tokens: number): void {
    const { outFirstMs, outEndMs } = this.#pass;
    this.#computed += tokens;
    let done = 0;
    for (const request of this.#prompts) {
      const length = uncached(this.#trace, request);
      if (this.#computed < length) break;
      this.#computed -= length;
      done++;
      outFirstMs[request] = this.#decode.nowMs;
      if ((this.#trace.outputTokens[request] as number) === 1) outEndMs[request] = this.#decode.nowMs;
      else this.#decode.join(request);
    }
    if (done > 0) this.#prompts = this.#prompts.slice(done);
  }

  /** One chunk from the prompts that wait, in their order, and a token for everyone who decodes. */
  #startChunk(): void {
    if (this.#prompts.length === 0) return;
    const { shape, encodesHere } = this.#pass;
    const { prefill } = shape.costs;
    let tokens = 0;
    let squares = 0;
    let encodeMs = 0;
    let offset = this.#computed;
    for (const request of this.#prompts) {
      const room = shape.chunkTokens - tokens;
      if (room === 0) break;
      if (encodesHere && offset === 0) encodeMs += localEncodeMs(this.#trace, request, shape);
      const part = Math.min(room, uncached(this.#trace, request) - offset);
      const before = offset + (this.#trace.cachedTokens[request] as number);
      tokens += part;
      squares += part * (part + 2 * before);
      offset = 0;
    }
    const decode = this.#decode;
    const { perContextTokenMs, perSequenceMs } = decode.cost;
    const along = perContextTokenMs * decode.context + perSequenceMs * decode.count;
    this.#chunk = { tokens, endMs: decode.nowMs + encodeMs + prefillMs(prefill, tokens, squares) + along };
  }
}
