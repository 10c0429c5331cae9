import { encodeMs, prefillMs, type StageCosts, transferMs } from '@tercet/cost-model';
import { decodePass } from './decode-pass.js';
import { disaggregated, type FleetShape, type Slo, type Split } from './fleet.js';
import { isNarrow, nextFactor, type Workload } from './goodput.js';
import { squareOf, uncached } from './prefill-pass.js';
import { rateOf, scaled, type Trace } from './trace.js';

export interface GoodputBound {
  /** No split of so many groups, with a stage on each, serves more. */
  readonly rps: number;
  /** The groups that each stage needs at that rate if nothing else were slow: where a search begins. */
  readonly split: Split;
}

/**
 * An upper bound on the goodput of every three-way split of a fleet. Each stage is looked at alone: the others take no
 * time, and its groups are one that is as many times faster, which can only help (what waits in one queue for one fast
 * server is never behind what waits for many slow ones, but for the one service that is in progress; an evenly spread
 * decode batch is the best one, as the steps' time grows evenly with it). At a rate, each stage has a least number of
 * groups; when they are more than there are, no split serves that rate.
 */
export function goodputBound(work: Workload, groups: number, { tolerance = 0.002 } = {}): GoodputBound {
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  let split = disaggregated(1, 1, groups - 2);
  for (let factor = 1; ; ) {
    const needed = neededAt(work, groups, factor);
    if (needed === undefined) {
      high = factor;
    } else {
      low = factor;
      split = needed;
    }
    if (high < 1 / 1024 || low > 1024 || isNarrow(low, high, tolerance)) break;
    factor = nextFactor(low, high);
  }
  return { rps: (high === Number.POSITIVE_INFINITY ? low : high) * rateOf(work.trace), split };
}

/** The least groups of each stage for this rate; `undefined` when they are too many. */
function neededAt(work: Workload, groups: number, factor: number): Split | undefined {
  const trace = scaled(work.trace, factor);
  let left = groups;
  const counts: number[] = [];
  for (const meets of [encodeMeets, prefillMeets, decodeMeets]) {
    const most = left - (2 - counts.length);
    const count = leastCount(most, (candidate) => meets(trace, candidate, work));
    if (count === undefined) return undefined;
    counts.push(count);
    left -= count;
  }
  const [encode = 1, prefill = 1, decode = 1] = counts;
  return disaggregated(encode, prefill, decode);
}

/** By bisection: more groups never meet less. */
function leastCount(most: number, meets: (count: number) => boolean): number | undefined {
  if (most < 1 || !meets(most)) return undefined;
  let low = 0;
  let high = most;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (meets(middle)) high = middle;
    else low = middle;
  }
  return high;
}

type Relaxed = Pick<Workload, 'shape' | 'slo'>;

/** Time of one image, and of what has to follow or to come before, if nobody waits. */
function timesOf(trace: Trace, { shape }: Relaxed) {
  const { encode, prefill, mediaTransfer, mediaBytesPerPatch } = shape.costs;
  const patches = (request: number) => trace.patches[request] as number;
  const images = (request: number) => trace.images[request] as number;
  const imageMs = (request: number) =>
    images(request) === 0 ? 0 : encodeMs(encode, patches(request) / images(request));
  const movedMs = (request: number) =>
    images(request) === 0 ? 0 : transferMs(mediaTransfer, patches(request) * mediaBytesPerPatch);
  const prefilledMs = (request: number) => prefillMs(prefill, uncached(trace, request), squareOf(trace, request));
  return { images, imageMs, movedMs, prefilledMs };
}

function encodeMeets(trace: Trace, groups: number, relaxed: Relaxed): boolean {
  const { images, imageMs, movedMs, prefilledMs } = timesOf(trace, relaxed);
  return pooledMeets(trace, {
    groups,
    slo: relaxed.slo,
    beforeMs: () => 0,
    workMs: (request) => imageMs(request) * images(request),
    longestMs: imageMs,
    afterMs: (request) => movedMs(request) + prefilledMs(request),
  });
}

function prefillMeets(trace: Trace, groups: number, relaxed: Relaxed): boolean {
  const { imageMs, movedMs, prefilledMs } = timesOf(trace, relaxed);
  const { costs, batchTokensMax } = relaxed.shape;
  // In a full batch a prompt bears no more of the fixed time than its share of the tokens.
  const spared = (request: number) => 1 - Math.min(1, uncached(trace, request) / batchTokensMax);
  return pooledMeets(trace, {
    groups,
    slo: relaxed.slo,
    beforeMs: (request) => imageMs(request) + movedMs(request),
    workMs: (request) => prefilledMs(request) - costs.prefill.fixedMs * spared(request),
    longestMs: prefilledMs,
    afterMs: () => 0,
  });
}

type Times = (request: number) => number;

interface Pooled {
  readonly groups: number;
  readonly slo: Slo;
  /** From the arrival to this stage, and from its end to the first token. */
  readonly beforeMs: Times;
  readonly afterMs: Times;
  readonly workMs: Times;
  /** Of the work, what one group does without a break. */
  readonly longestMs: Times;
}

/** First come, first served by one server that is as fast as all groups: does it meet the first token's objective? */
function pooledMeets(trace: Trace, pooled: Pooled): boolean {
  const { groups, slo, beforeMs, afterMs, workMs, longestMs } = pooled;
  let freeMs = 0;
  let longest = 0;
  let met = 0;
  for (let request = 0; request < trace.length; request++) {
    const arrival = trace.arrivalMs[request] as number;
    const ready = arrival + beforeMs(request);
    const own = longestMs(request);
    longest = Math.max(longest, own);
    freeMs = Math.max(freeMs, arrival) + workMs(request) / groups;
    const earliest = Math.max(ready + own, freeMs - longest);
    if (earliest + afterMs(request) - arrival <= slo.ttftMs) met++;
  }
  return met >= slo.attainment * trace.length;
}

function decodeMeets(trace: Trace, groups: number, { shape, slo }: Relaxed): boolean {
  const firstMs = Float64Array.from(trace.arrivalMs);
  const outEndMs = new Float64Array(trace.length).fill(Number.POSITIVE_INFINITY);
  decodePass(trace, { groups: 1, shape: pooledShape(shape, groups), firstMs, outEndMs });
  let met = 0;
  for (let request = 0; request < trace.length; request++) {
    const steps = (trace.outputTokens[request] as number) - 1;
    const spanMs = (outEndMs[request] as number) - (firstMs[request] as number);
    if (steps === 0 || spanMs / steps <= slo.tpotMs) met++;
  }
  return met >= slo.attainment * trace.length;
}

/** One group in the place of many between which the batch is spread evenly. */
function pooledShape(shape: FleetShape, groups: number): FleetShape {
  const spread = ({ fixedMs, perContextTokenMs, perSequenceMs }: StageCosts['decode']['small']) => ({
    fixedMs,
    perContextTokenMs: perContextTokenMs / groups,
    perSequenceMs: perSequenceMs / groups,
  });
  const { decode } = shape.costs;
  const smallBatchMax = decode.smallBatchMax * groups;
  return {
    ...shape,
    kvTokensMax: shape.kvTokensMax * groups,
    sequencesMax: shape.sequencesMax * groups,
    costs: {
      ...shape.costs,
      decode: { small: spread(decode.small), large: spread(decode.large), smallBatchMax },
    },
  };
}
