import type { SpanName } from '@tercet/contracts';
import { formatTraceparent, parseTraceparent } from './traceparent.js';

/** Ids, sizes and codes; never a prompt, an image or an answer. */
export type SpanAttributes = Readonly<Record<string, string | number>>;

/** A part of a request that is over. Times are those of the process clock, ms. */
export interface SpanPart {
  readonly name: SpanName;
  /** Of the span that it is a part of. Without one, or where that is not sampled, nothing is recorded. */
  readonly traceparent: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes?: SpanAttributes;
  /** Code of the failure that ended it. */
  readonly error?: string;
}

export interface RequestStart {
  /** A UUID, and what tells the answers of one HTTP request apart. It names the trace where the caller brings none. */
  readonly requestId: string;
  /** As the caller sent it. */
  readonly traceparent: string;
  readonly startMs: number;
}

/** The span of a request that runs. */
export interface RequestSpan {
  /** For every call on behalf of the request; empty when it belongs to no trace. */
  readonly traceparent: string;
  end(end: Pick<SpanPart, 'endMs' | 'attributes' | 'error'>): void;
}

/** Traces of requests. Never throws and never waits: what cannot be exported is dropped. */
export interface Tracer {
  begin(request: RequestStart): RequestSpan;
  record(part: SpanPart): void;
  /** Sends what is left, for a second at most. */
  close(): Promise<void>;
}

/** Who records, and what becomes of its batches. */
export interface TracerOptions {
  readonly service: string;
  /** Name of the process among others of its service. */
  readonly instance: string;
  onExport(outcome: 'ok' | 'failed'): void;
}

/** Records nothing. The caller's own trace goes through all the same, so that logs can name it. */
export const noTracer: Tracer = {
  begin: ({ traceparent }) => ({ traceparent: cleaned(traceparent), end: () => undefined }),
  record: () => undefined,
  close: async () => undefined,
};

/** Nothing that the standard does not know goes on to other processes. */
function cleaned(traceparent: string): string {
  const context = traceparent === '' ? undefined : parseTraceparent(traceparent);
  return context === undefined ? '' : formatTraceparent(context);
}
