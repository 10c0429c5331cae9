import type { Clock } from '@tercet/base';
import { toTercetError } from '@tercet/contracts';
import type { RequestSpan, SpanAttributes, Tracer } from '@tercet/telemetry';
import type { Generate } from './http/chat.js';
import type { Embed } from './http/embeddings.js';
import type { GatewayMetrics } from './metrics.js';
import type { OutcomeReports } from './outcome-reports.js';
import type { Embeddings } from './pipeline/embeddings.js';
import type { Pipeline } from './pipeline/pipeline.js';
import type { AnswerEvent } from './pipeline/request.js';

export interface Measures {
  readonly metrics: GatewayMetrics;
  readonly tracer: Tracer;
  readonly outcomes: OutcomeReports;
  readonly clock: Clock;
}

/** Embeddings with their requests and tokens counted and their traces begun, however they end. */
export function measuredEmbeddings<Pod>(embeddings: Embeddings<Pod>, measures: Measures): Embed {
  const { metrics } = measures;
  return async (request, signal) => {
    const { inputs } = request;
    const { name } = request.model;
    const { span, end } = begin(measures, request, name);
    try {
      const vectors = await embeddings.run({ ...request, traceparent: span.traceparent }, signal);
      metrics.embedded(name, inputs);
      end('ok', { inputs: inputs.length });
      return vectors;
    } catch (error) {
      end(toTercetError(error).code);
      throw error;
    }
  };
}

/** The pipeline with its requests counted and reported and their traces begun, however they end. */
export function measured<Pod>(pipeline: Pipeline<Pod>, measures: Measures): Generate {
  return async function* generate(request, signal) {
    const { name } = request.model;
    const { span, startMs, end } = begin(measures, request, name);
    let outcome = 'cancelled';
    let attributes: SpanAttributes = {};
    const reported = measures.outcomes.arrived(name, request.media.length);
    try {
      for await (const event of pipeline.run({ ...request, traceparent: span.traceparent }, signal)) {
        reported.saw(event);
        if (event.kind === 'finished') {
          outcome = 'ok';
          attributes = attributesOf(event);
          measures.metrics.finished(name, event);
          recordParts(measures.tracer, { event, startMs, traceparent: span.traceparent });
        }
        yield event;
      }
    } catch (error) {
      outcome = toTercetError(error).code;
      throw error;
    } finally {
      end(outcome, attributes);
      reported.ended(outcome);
    }
  };
}

type Finished = Extract<AnswerEvent, { kind: 'finished' }>;

interface Begun {
  readonly span: RequestSpan;
  readonly startMs: number;
  end(outcome: string, attributes?: SpanAttributes): void;
}

function begin(
  { metrics, tracer, clock }: Measures,
  { requestId, traceparent }: { readonly requestId: string; readonly traceparent: string },
  model: string,
): Begun {
  const startMs = clock.nowMs();
  const span = tracer.begin({ requestId, traceparent, startMs });
  const end = (outcome: string, attributes: SpanAttributes = {}) => {
    metrics.ended(model, outcome);
    const failure = outcome === 'ok' ? {} : { error: outcome };
    span.end({ endMs: clock.nowMs(), attributes: { model, ...attributes }, ...failure });
  };
  return { span, startMs, end };
}

/** The parts that the gateway alone knows; each stage records its own. */
function recordParts(
  tracer: Tracer,
  { event, startMs, traceparent }: { event: Finished; startMs: number; traceparent: string },
): void {
  const { parts, ttftMs, handoverMs } = event.timeline;
  const fetchedMs = startMs + parts.mediaFetchMs;
  const firstMs = startMs + ttftMs;
  if (event.usage.mediaTokens > 0) tracer.record({ name: 'mediaFetch', traceparent, startMs, endMs: fetchedMs });
  tracer.record({ name: 'queue', traceparent, startMs: fetchedMs, endMs: fetchedMs + parts.queueMs });
  if (event.usage.completionTokens > 1) {
    tracer.record({ name: 'handover', traceparent, startMs: firstMs, endMs: firstMs + handoverMs });
  }
}

function attributesOf({ usage, timeline, reason }: Finished): SpanAttributes {
  const { promptTokens, completionTokens, cachedTokens, mediaTokens } = usage;
  const { attempts, ttftMs, route } = timeline;
  const expected = route?.expectedTokens === undefined ? {} : { expectedTokens: route.expectedTokens };
  const routed = { ...(route && { route: route.reason }), ...expected };
  return { promptTokens, completionTokens, cachedTokens, mediaTokens, attempts, ttftMs, reason, ...routed };
}
