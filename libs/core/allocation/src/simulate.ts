import { assert } from '@tercet/base';
import { decodePass } from './decode-pass.js';
import { encodePass } from './encode-pass.js';
import { type FleetShape, groupsOf, nameOf, type Slo, type Split } from './fleet.js';
import { prefillPass } from './prefill-pass.js';
import { servePass } from './serve-pass.js';
import type { Trace } from './trace.js';

/** What each request of a trace would have seen. */
export interface Simulated {
  readonly ttftMs: Float64Array;
  /** NaN for a reply of one token. */
  readonly tpotMs: Float64Array;
}

/**
 * Replays a trace on a fleet in virtual time. Tensors only move forward, so the stages are played one after the other:
 * when the media of each request is ready, then its first token, then its last. Cost: n log n, about a millisecond for
 * a thousand requests; the same trace always gives the same result, so that splits can be compared by difference.
 * @see Zhong et al. 2024, "DistServe", arXiv:2401.09670, section 4; Singh et al. 2025, "EPD disaggregation",
 *   arXiv:2501.05460, for the encode stage
 */
export function simulate(trace: Trace, split: Split, shape: FleetShape): Simulated {
  const { encode, prefill, decode, serve } = split;
  const isWhole = serve > 0 ? prefill === 0 && decode === 0 : prefill > 0 && decode > 0;
  assert(isWhole, 'a split without prefill or decode', { groups: groupsOf(split), name: nameOf(split) });
  const readyMs = new Float64Array(trace.length);
  const firstMs = new Float64Array(trace.length);
  const endMs = new Float64Array(trace.length).fill(Number.POSITIVE_INFINITY);
  encodePass(trace, encode, shape, readyMs);
  const encodesHere = encode === 0;
  if (serve > 0) {
    servePass(trace, { groups: serve, shape, encodesHere, readyMs, outFirstMs: firstMs, outEndMs: endMs });
  } else {
    prefillPass(trace, { groups: prefill, shape, encodesHere, readyMs, outFirstMs: firstMs });
    decodePass(trace, { groups: decode, shape, firstMs, outEndMs: endMs });
  }
  const { arrivalMs, outputTokens } = trace;
  for (let request = 0; request < trace.length; request++) {
    const tokens = outputTokens[request] as number;
    const first = firstMs[request] as number;
    readyMs[request] = first - (arrivalMs[request] as number);
    endMs[request] = tokens > 1 ? ((endMs[request] as number) - first) / (tokens - 1) : Number.NaN;
  }
  return { ttftMs: readyMs, tpotMs: endMs };
}

/** Share of the requests that met both objectives; a reply of one token has no time per output token to miss. */
export function attainmentOf({ ttftMs, tpotMs }: Simulated, slo: Slo): number {
  let met = 0;
  for (let request = 0; request < ttftMs.length; request++) {
    if ((ttftMs[request] as number) <= slo.ttftMs && !((tpotMs[request] as number) > slo.tpotMs)) met++;
  }
  return ttftMs.length === 0 ? 1 : met / ttftMs.length;
}

/** The value below which a share of the values lies; NaN values are left out. */
export function percentileOf(values: Float64Array, share: number): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  return sorted.length === 0 ? Number.NaN : (sorted[Math.ceil(share * sorted.length) - 1] as number);
}
