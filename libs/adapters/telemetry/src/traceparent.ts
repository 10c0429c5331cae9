/** Where a span stands: W3C trace context, https://www.w3.org/TR/trace-context/ */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

const form = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
const zeros = /^0+$/;

/** What a `traceparent` says; `undefined` for one that is malformed, which is left aside as the standard asks. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const [, traceId = '', spanId = '', flags = ''] = form.exec(text ?? '') ?? [];
  if (traceId === '' || zeros.test(traceId) || zeros.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** What a client sent, where it is one: anything else stays outside. */
export function acceptedTraceparent(text: string | undefined): string {
  const context = parseTraceparent(text);
  return context === undefined ? '' : formatTraceparent(context);
}

export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/** Field of a log line about a request that is traced. */
export function traceFields(traceparent: string): { readonly traceId?: string } {
  const context = traceparent === '' ? undefined : parseTraceparent(traceparent);
  return context === undefined ? {} : { traceId: context.traceId };
}
