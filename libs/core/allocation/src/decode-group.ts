import { type DecodeCost, decodeCostOf, type StageCosts } from '@tercet/cost-model';
import type { Trace } from './trace.js';

export interface GroupLimits {
  /** Context tokens whose KV a group can hold. */
  readonly kvTokensMax: number;
  readonly sequencesMax: number;
}

/**
 * The running batch of one group. Steps between two changes of the batch are not played one by one: with batch B and
 * context C, step i takes a + b · (C + i·B) + c · B, so k of them have a closed form and the step in progress at a time
 * follows from a quadratic equation. That is what makes an evaluation take milliseconds.
 */
export class DecodeGroup {
  /** End of the last step that was played. */
  nowMs = 0;
  /** Steps played. */
  step = 0;
  count = 0;
  context = 0;
  readonly #trace: Trace;
  readonly #costs: StageCosts;
  readonly #limits: GroupLimits;
  readonly #endMs: Float64Array;
  /** Sequences by the step at which they end: a binary heap of steps, and whose they are. */
  readonly #ends: number[] = [];
  readonly #owners: number[] = [];
  #waiting: number[] = [];
  #waitingFrom = 0;

  constructor(options: { trace: Trace; costs: StageCosts; limits: GroupLimits; outEndMs: Float64Array }) {
    this.#trace = options.trace;
    this.#costs = options.costs;
    this.#limits = options.limits;
    this.#endMs = options.outEndMs;
  }

  /** Sequences that run or wait. */
  get load(): number {
    return this.count + this.#waiting.length - this.#waitingFrom;
  }

  /** When the next sequence ends if nothing changes. */
  get nextEndMs(): number {
    if (this.count === 0) return Number.POSITIVE_INFINITY;
    return this.nowMs + this.#spanMs((this.#ends[0] as number) - this.step);
  }

  /** Plays whole steps until `atMs` lies before the end of the last; nobody ends meanwhile. */
  advance(atMs: number): void {
    if (this.count === 0) this.nowMs = Math.max(this.nowMs, atMs);
    if (atMs <= this.nowMs) return;
    const most = (this.#ends[0] as number) - this.step;
    this.play(Math.min(most, this.#stepsUntil(atMs - this.nowMs)));
  }

  play(steps: number): void {
    if (steps <= 0) return;
    this.nowMs += this.#spanMs(steps);
    this.skip(steps);
  }

  /** Steps whose time somebody else has counted. */
  skip(steps: number): void {
    this.step += steps;
    this.context += steps * this.count;
  }

  /** Takes a prompt with its first token; it waits when there is no room. It never runs when it can never fit. */
  join(request: number): void {
    if (this.#waitingFrom === this.#waiting.length && this.#hasRoom(request)) this.#start(request);
    else this.#waiting.push(request);
  }

  /** Ends the sequences whose last step was played, and starts those that waited for room. */
  endDone(): void {
    while (this.count > 0 && (this.#ends[0] as number) <= this.step) {
      const request = this.#owners[0] as number;
      this.#pop();
      this.count--;
      this.context -= this.#tokensOf(request);
      this.#endMs[request] = this.nowMs;
    }
    while (this.#waitingFrom < this.#waiting.length) {
      const request = this.#waiting[this.#waitingFrom] as number;
      if (!this.#hasRoom(request)) break;
      this.#waitingFrom++;
      this.#start(request);
    }
    if (this.#waitingFrom > 1000) {
      this.#waiting = this.#waiting.slice(this.#waitingFrom);
      this.#waitingFrom = 0;
    }
  }

  /** Of the next step. */
  get cost(): DecodeCost {
    return decodeCostOf(this.#costs, this.count);
  }

  #start(request: number): void {
    const { promptTokens, outputTokens } = this.#trace;
    const steps = (outputTokens[request] as number) - 1;
    this.count++;
    this.context += (promptTokens[request] as number) + 1;
    this.#push(this.step + steps, request);
  }

  #tokensOf(request: number): number {
    return (this.#trace.promptTokens[request] as number) + (this.#trace.outputTokens[request] as number);
  }

  #hasRoom(request: number): boolean {
    const { kvTokensMax, sequencesMax } = this.#limits;
    return this.count < sequencesMax && this.context + this.#tokensOf(request) <= kvTokensMax;
  }

  #spanMs(steps: number): number {
    const { fixedMs, perContextTokenMs, perSequenceMs } = this.cost;
    const first = fixedMs + perContextTokenMs * this.context + perSequenceMs * this.count;
    return steps * first + (perContextTokenMs * this.count * steps * (steps - 1)) / 2;
  }

  /** The least number of steps that take `ms` or longer. */
  #stepsUntil(ms: number): number {
    const { fixedMs, perContextTokenMs, perSequenceMs } = this.cost;
    const first = fixedMs + perContextTokenMs * this.context + perSequenceMs * this.count;
    const half = (perContextTokenMs * this.count) / 2;
    const linear = first - half;
    const exact = half < 1e-12 ? ms / linear : (Math.sqrt(linear * linear + 4 * half * ms) - linear) / (2 * half);
    return Math.max(1, Math.ceil(exact - 1e-9));
  }

  #push(end: number, request: number): void {
    const ends = this.#ends;
    const owners = this.#owners;
    let place = this.count - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if ((ends[above] as number) <= end) break;
      ends[place] = ends[above] as number;
      owners[place] = owners[above] as number;
      place = above;
    }
    ends[place] = end;
    owners[place] = request;
  }

  /** Takes the first out of the heap; `count` still counts it. */
  #pop(): void {
    const ends = this.#ends;
    const owners = this.#owners;
    const last = this.count - 1;
    const end = ends[last] as number;
    const request = owners[last] as number;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= last) break;
      if (below + 1 < last && (ends[below + 1] as number) < (ends[below] as number)) below++;
      if ((ends[below] as number) >= end) break;
      ends[place] = ends[below] as number;
      owners[place] = owners[below] as number;
      place = below;
    }
    ends[place] = end;
    owners[place] = request;
  }
}
