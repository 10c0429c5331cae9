import { decodeCostOf, prefillMs, transferMs } from '@tercet/cost-model';
import type { FleetShape, Split } from './fleet.js';
import { squareOf, uncached } from './prefill-pass.js';
import type { Simulated } from './simulate.js';
import type { Trace } from './trace.js';

/**
 * The plain twin of `simulate` for splits without an encode stage: one clock, and every prefill batch and every decode
 * step is an event of its own. It takes a hundred times as long, and says whether the closed forms are right.
 * @see Zhong et al. 2024, arXiv:2401.09670, whose simulator plays the same events and formulas
 */
export function simulateStepByStep(trace: Trace, split: Split, shape: FleetShape): Simulated {
  const replay = new Replay(trace, split, shape);
  while (replay.next());
  const { firstMs, endMs } = replay;
  const ttftMs = firstMs.map((first, i) => first - (trace.arrivalMs[i] as number));
  const tpotMs = endMs.map((end, i) => (end - (firstMs[i] as number)) / ((trace.outputTokens[i] as number) - 1));
  return { ttftMs, tpotMs };
}

interface Sequence {
  readonly request: number;
  left: number;
  context: number;
}

interface PrefillGroup {
  readonly queue: number[];
  running: number[];
  endMs: number;
  /** When it would be done with all that it was given, one by one. */
  backlogMs: number;
}

interface DecodeGroup {
  readonly waiting: Sequence[];
  batch: Sequence[];
  endMs: number;
}

class Replay {
  readonly firstMs: Float64Array;
  readonly endMs: Float64Array;
  readonly #trace: Trace;
  readonly #shape: FleetShape;
  readonly #prefills: readonly PrefillGroup[];
  readonly #decodes: readonly DecodeGroup[];
  #moving: { readonly atMs: number; readonly sequence: Sequence }[] = [];
  #arrived = 0;

  constructor(trace: Trace, { prefill, decode }: Split, shape: FleetShape) {
    this.#trace = trace;
    this.#shape = shape;
    this.firstMs = new Float64Array(trace.length);
    this.endMs = new Float64Array(trace.length);
    const endMs = Number.POSITIVE_INFINITY;
    this.#prefills = Array.from({ length: prefill }, () => ({ queue: [], running: [], endMs, backlogMs: 0 }));
    this.#decodes = Array.from({ length: decode }, () => ({ waiting: [], batch: [], endMs }));
  }

  /** Plays the next event. @returns false when there is none */
  next(): boolean {
    const arrivalMs = this.#trace.arrivalMs[this.#arrived] ?? Number.POSITIVE_INFINITY;
    const movedMs = this.#moving[0]?.atMs ?? Number.POSITIVE_INFINITY;
    const prefill = leastBy(this.#prefills, ({ endMs }) => endMs);
    const decode = leastBy(this.#decodes, ({ endMs }) => endMs);
    const nowMs = Math.min(arrivalMs, movedMs, prefill.endMs, decode.endMs);
    if (nowMs === Number.POSITIVE_INFINITY) return false;
    if (nowMs === decode.endMs) this.#endStep(decode, nowMs);
    else if (nowMs === prefill.endMs) this.#endPrefill(prefill, nowMs);
    else if (nowMs === movedMs) this.#join(nowMs);
    else this.#arrive(nowMs);
    return true;
  }

  #arrive(nowMs: number): void {
    const request = this.#arrived++;
    const group = leastBy(this.#prefills, ({ backlogMs }) => backlogMs);
    const [tokens, squares] = [uncached(this.#trace, request), squareOf(this.#trace, request)];
    group.backlogMs = Math.max(group.backlogMs, nowMs) + prefillMs(this.#shape.costs.prefill, tokens, squares);
    group.queue.push(request);
    if (group.running.length === 0) this.#startPrefill(group, nowMs);
  }

  #startPrefill(group: PrefillGroup, nowMs: number): void {
    let tokens = 0;
    let squares = 0;
    for (const request of group.queue) {
      if (tokens > 0 && tokens + uncached(this.#trace, request) > this.#shape.batchTokensMax) break;
      group.running.push(request);
      tokens += uncached(this.#trace, request);
      squares += squareOf(this.#trace, request);
    }
    group.queue.splice(0, group.running.length);
    const isIdle = group.running.length === 0;
    group.endMs = isIdle ? Number.POSITIVE_INFINITY : nowMs + prefillMs(this.#shape.costs.prefill, tokens, squares);
  }

  #endPrefill(group: PrefillGroup, nowMs: number): void {
    const { kvTransfer, kvBytesPerToken } = this.#shape.costs;
    for (const request of group.running) {
      this.firstMs[request] = nowMs;
      this.endMs[request] = nowMs;
      const prompt = this.#trace.promptTokens[request] as number;
      const left = (this.#trace.outputTokens[request] as number) - 1;
      const atMs = nowMs + transferMs(kvTransfer, prompt * kvBytesPerToken);
      if (left > 0) this.#moving.push({ atMs, sequence: { request, left, context: prompt + 1 } });
    }
    this.#moving.sort((a, b) => a.atMs - b.atMs || a.sequence.request - b.sequence.request);
    group.running = [];
    this.#startPrefill(group, nowMs);
  }

  #join(nowMs: number): void {
    const { sequence } = this.#moving.shift() as { sequence: Sequence };
    const group = leastBy(this.#decodes, ({ batch, waiting }) => batch.length + waiting.length);
    group.waiting.push(sequence);
    if (group.batch.length === 0) this.#startStep(group, nowMs);
  }

  #startStep(group: DecodeGroup, nowMs: number): void {
    const { kvTokensMax, sequencesMax } = this.#shape;
    let context = group.batch.reduce((sum, sequence) => sum + sequence.context, 0);
    for (const next of group.waiting.slice()) {
      if (group.batch.length >= sequencesMax || context + next.context + next.left > kvTokensMax) break;
      group.batch.push(next);
      group.waiting.shift();
      context += next.context;
    }
    const { fixedMs, perContextTokenMs, perSequenceMs } = decodeCostOf(this.#shape.costs, group.batch.length);
    const stepMs = fixedMs + perContextTokenMs * context + perSequenceMs * group.batch.length;
    group.endMs = group.batch.length === 0 ? Number.POSITIVE_INFINITY : nowMs + stepMs;
  }

  #endStep(group: DecodeGroup, nowMs: number): void {
    for (const sequence of group.batch) {
      sequence.left--;
      sequence.context++;
      if (sequence.left === 0) this.endMs[sequence.request] = nowMs;
    }
    group.batch = group.batch.filter(({ left }) => left > 0);
    this.#startStep(group, nowMs);
  }
}

/** The first of those with the least value. */
function leastBy<T>(items: readonly T[], keyOf: (item: T) => number): T {
  return items.reduce((least, item) => (keyOf(item) < keyOf(least) ? item : least));
}
