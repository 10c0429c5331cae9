import { assert } from '@tercet/base';

/** What a step computed, in the features that its cost is linear in. */
export type StepWork =
  | { readonly stage: 'encode'; readonly patches: number }
  /** `squares` is Σ n (n + 2 · cached) over the chunks: what attention computes, so that chunks of a prompt add up. */
  | { readonly stage: 'prefill'; readonly tokens: number; readonly squares: number }
  | { readonly stage: 'decode'; readonly batch: number; readonly contextTokens: number };

/** A step and how long it took: from its plan, with the wait for cores, until its results were given away. */
export type WorkSample = StepWork & { readonly ms: number };

/** Port: what an engine did lately, for whoever fits costs to it. */
export interface WorkReader {
  /** Samples there have been; a place to begin reading at. Counts modulo 2³². */
  readonly count: number;
  /** Those after `place`, oldest first, the latest {@link workSamplesMax} at most; `next` is the place after them. */
  since(place: number): { readonly samples: WorkSample[]; readonly next: number };
}

/** Samples that one reading gives at most. */
export const workSamplesMax = 64;

/** Twice what a reading gives: the other half is written to meanwhile. A power of two, so that the count may wrap. */
const slots = 2 * workSamplesMax;
const slotValues = 4;
const headerBytes = 8;
const codes = { encode: 0, prefill: 1, decode: 2 } as const;

/**
 * The latest steps of an engine, in memory that its thread and others see: one writer, any readers, no waiting. A slot
 * is [stage, feature, feature, ms]; the count goes up after it was written. A reader drops what the writer may have
 * come round to while it read.
 */
export class WorkLog implements WorkReader {
  readonly buffer: SharedArrayBuffer;
  readonly #count: Uint32Array;
  readonly #values: Float64Array;

  /** @param buffer that of the writer's log */
  constructor(buffer = new SharedArrayBuffer(headerBytes + slots * slotValues * 8)) {
    assert(buffer.byteLength === headerBytes + slots * slotValues * 8, 'buffer of another log', {
      bytes: buffer.byteLength,
    });
    this.buffer = buffer;
    this.#count = new Uint32Array(buffer, 0, 1);
    this.#values = new Float64Array(buffer, headerBytes);
  }

  get count(): number {
    return Atomics.load(this.#count, 0);
  }

  add(work: StepWork, ms: number): void {
    const count = this.count;
    const at = (count % slots) * slotValues;
    const [first, second] = featuresOf(work);
    this.#values[at] = codes[work.stage];
    this.#values[at + 1] = first;
    this.#values[at + 2] = second;
    this.#values[at + 3] = ms;
    Atomics.store(this.#count, 0, count + 1);
  }

  since(place: number): { samples: WorkSample[]; next: number } {
    const next = this.count;
    const fresh = Math.min(distance(place, next), workSamplesMax);
    const read = Array.from({ length: fresh }, (_, i) => this.#sample(next - fresh + i));
    const overwritten = distance(next, this.count) - (slots - 1 - fresh);
    return { samples: overwritten > 0 ? read.slice(overwritten) : read, next };
  }

  #sample(place: number): WorkSample {
    const at = ((place >>> 0) % slots) * slotValues;
    const [code, first = 0, second = 0, ms = 0] = this.#values.subarray(at, at + slotValues);
    if (code === codes.encode) return { stage: 'encode', patches: first, ms };
    if (code === codes.prefill) return { stage: 'prefill', tokens: first, squares: second, ms };
    return { stage: 'decode', batch: first, contextTokens: second, ms };
  }
}

function featuresOf(work: StepWork): [first: number, second: number] {
  switch (work.stage) {
    case 'encode':
      return [work.patches, 0];
    case 'prefill':
      return [work.tokens, work.squares];
    case 'decode':
      return [work.batch, work.contextTokens];
    default:
      return work satisfies never;
  }
}

/** Samples from one place to a later one. */
function distance(from: number, to: number): number {
  return (to - from) >>> 0;
}
