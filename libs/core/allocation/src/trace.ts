import { assert } from '@tercet/base';

/** Requests in the order of their arrival, one array per property. What the simulator replays. */
export interface Trace {
  readonly length: number;
  /** Rising. */
  readonly arrivalMs: Float64Array;
  readonly images: Uint32Array;
  /** Of all images of a request together. */
  readonly patches: Uint32Array;
  /** Media tokens among them. */
  readonly promptTokens: Uint32Array;
  /** Leading tokens whose KV is already there. */
  readonly cachedTokens: Uint32Array;
  /** At least one. */
  readonly outputTokens: Uint32Array;
}

export interface TraceRequest {
  readonly arrivalMs: number;
  readonly images: number;
  readonly patches: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** A trace of these requests, whatever their order. */
export function traceOf(requests: readonly TraceRequest[]): Trace {
  const sorted = requests.toSorted((a, b) => a.arrivalMs - b.arrivalMs);
  for (const request of sorted) {
    const { promptTokens, cachedTokens, outputTokens } = request;
    assert(promptTokens >= 1 && outputTokens >= 1 && cachedTokens < promptTokens, 'no request', { ...request });
  }
  const column = (of: (request: TraceRequest) => number) => Uint32Array.from(sorted, of);
  return {
    length: sorted.length,
    arrivalMs: Float64Array.from(sorted, ({ arrivalMs }) => arrivalMs),
    images: column(({ images }) => images),
    patches: column(({ patches }) => patches),
    promptTokens: column(({ promptTokens }) => promptTokens),
    cachedTokens: column(({ cachedTokens }) => cachedTokens),
    outputTokens: column(({ outputTokens }) => outputTokens),
  };
}

/** Requests per second over the whole trace. */
export function rateOf(trace: Trace): number {
  if (trace.length < 2) return 0;
  const spanMs = (trace.arrivalMs[trace.length - 1] as number) - (trace.arrivalMs[0] as number);
  return spanMs > 0 ? ((trace.length - 1) / spanMs) * 1000 : Number.POSITIVE_INFINITY;
}

/** The same requests, `factor` times as many a second. */
export function scaled(trace: Trace, factor: number): Trace {
  return { ...trace, arrivalMs: trace.arrivalMs.map((ms) => ms / factor) };
}

/**
 * As many times the requests in the same time, for a fleet that is so much larger: copies of the trace, each turned to
 * begin at another place, so that their bursts do not fall together.
 */
export function grown(trace: Trace, copies: number): Trace {
  const spanMs = trace.length === 0 ? 0 : (trace.arrivalMs[trace.length - 1] as number);
  const requests: TraceRequest[] = [];
  for (let copy = 0; copy < copies; copy++) {
    // The golden ratio spreads any number of turns evenly.
    const turnMs = ((copy * 0.618033988749895) % 1) * spanMs;
    for (let request = 0; request < trace.length; request++) {
      const arrivalMs = ((trace.arrivalMs[request] as number) + turnMs) % (spanMs || 1);
      requests.push({ ...requestOf(trace, request), arrivalMs });
    }
  }
  return traceOf(requests);
}

export function requestOf(trace: Trace, request: number): TraceRequest {
  const of = (column: ArrayLike<number>) => column[request] as number;
  return {
    arrivalMs: of(trace.arrivalMs),
    images: of(trace.images),
    patches: of(trace.patches),
    promptTokens: of(trace.promptTokens),
    cachedTokens: of(trace.cachedTokens),
    outputTokens: of(trace.outputTokens),
  };
}
