import {
  type Context,
  type Tracer as OtelTracer,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  type IdGenerator,
  ParentBasedSampler,
  RandomIdGenerator,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { TracingConfig } from './config.js';
import { formatTraceparent, parseTraceparent } from './traceparent.js';
import type { RequestSpan, RequestStart, SpanPart, Tracer, TracerOptions } from './tracer.js';

const closeTimeoutMs = 1000;
const batchSpansMax = 512;

/** Spans in batches over OTLP/HTTP. The queue is bounded: while nobody takes spans, the newest are dropped. */
export class OtlpTracer implements Tracer {
  readonly #ids = new RequestIds();
  readonly #provider: TracerProvider;
  readonly #tracer: OtelTracer;

  constructor(config: TracingConfig & { readonly endpoint: string }, options: TracerOptions) {
    const { endpoint, sampleRatio, spansMax, exportIntervalMs, exportTimeoutMs } = config;
    const { service, instance, onExport } = options;
    const exporter = watched(new OTLPTraceExporter({ url: endpoint, timeoutMillis: exportTimeoutMs }), onExport);
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({
        'service.name': `tercet-${service}`,
        'service.namespace': 'tercet',
        'service.instance.id': instance,
      }),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
      idGenerator: this.#ids,
      spanProcessors: [
        new BatchSpanProcessor({
          exporter,
          maxQueueSize: spansMax,
          maxExportBatchSize: Math.min(batchSpansMax, spansMax),
          scheduledDelayMillis: exportIntervalMs,
          exportTimeoutMillis: exportTimeoutMs,
        }),
      ],
    });
    this.#tracer = this.#provider.getTracer('tercet');
  }

  begin({ requestId, traceparent, startMs }: RequestStart): RequestSpan {
    const parent = contextOf(traceparent);
    if (parent === undefined) this.#ids.nextTraceId = traceIdOf(requestId);
    const kind = SpanKind.SERVER;
    const span = this.#tracer.startSpan('request', { kind, startTime: startMs }, parent ?? ROOT_CONTEXT);
    span.setAttribute('tercet.requestId', requestId);
    return { traceparent: traceparentOf(span.spanContext()), end: (end) => finish(span, end) };
  }

  record({ name, traceparent, startMs, ...end }: SpanPart): void {
    const parent = contextOf(traceparent);
    if (parent === undefined) return;
    finish(this.#tracer.startSpan(name, { startTime: startMs }, parent), end);
  }

  async close(): Promise<void> {
    const patience = new Promise((resolve) => setTimeout(resolve, closeTimeoutMs).unref());
    await Promise.race([this.#provider.shutdown().catch(() => undefined), patience]);
  }
}

/** Random ids, except that the trace of a request may be named beforehand. */
class RequestIds implements IdGenerator {
  nextTraceId: string | undefined;
  readonly #random = new RandomIdGenerator();

  generateTraceId(): string {
    const named = this.nextTraceId;
    this.nextTraceId = undefined;
    return named ?? this.#random.generateTraceId();
  }

  generateSpanId(): string {
    return this.#random.generateSpanId();
  }
}

/** The UUID that a request id begins with: all answers of one HTTP request stand in one trace. */
function traceIdOf(requestId: string): string | undefined {
  const traceId = requestId.slice(0, 36).replaceAll('-', '');
  return /^[0-9a-f]{32}$/.test(traceId) ? traceId : undefined;
}

function contextOf(traceparent: string): Context | undefined {
  const parsed = parseTraceparent(traceparent);
  if (parsed === undefined) return undefined;
  const { traceId, spanId, isSampled } = parsed;
  const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return formatTraceparent({ traceId, spanId, isSampled: (traceFlags & TraceFlags.SAMPLED) !== 0 });
}

function finish(span: Span, { endMs, attributes, error }: Pick<SpanPart, 'endMs' | 'attributes' | 'error'>): void {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    span.setAttribute(`tercet.${key}`, value);
  }
  if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
  span.end(endMs);
}

/** Tells how every batch ended. */
function watched(exporter: OTLPTraceExporter, onExport: TracerOptions['onExport']): SpanExporter {
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        onExport(result.error === undefined ? 'ok' : 'failed');
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush(),
  };
}
