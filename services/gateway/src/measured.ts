import { toTercetError } from '@tercet/contracts';
import type { Generate } from './http/chat.js';
import type { Embed } from './http/embeddings.js';
import type { GatewayMetrics } from './metrics.js';
import type { OutcomeReports } from './outcome-reports.js';
import type { Embeddings } from './pipeline/embeddings.js';
import type { Pipeline } from './pipeline/pipeline.js';

/** Embeddings with their requests and tokens counted, however they end. */
export function measuredEmbeddings<Pod>(embeddings: Embeddings<Pod>, metrics: GatewayMetrics): Embed {
  return async (model, inputs, signal) => {
    let outcome = 'cancelled';
    metrics.began();
    try {
      const vectors = await embeddings.run(model, inputs, signal);
      outcome = 'ok';
      metrics.embedded(model.name, inputs);
      return vectors;
    } catch (error) {
      outcome = toTercetError(error).code;
      throw error;
    } finally {
      metrics.ended(model.name, outcome);
    }
  };
}

/** The pipeline with its requests counted and reported, however they end. */
export function measured<Pod>(pipeline: Pipeline<Pod>, metrics: GatewayMetrics, outcomes: OutcomeReports): Generate {
  return async function* generate(request, signal) {
    const { name } = request.model;
    let outcome = 'cancelled';
    metrics.began();
    const reported = outcomes.arrived(name, request.media.length);
    try {
      for await (const event of pipeline.run(request, signal)) {
        reported.saw(event);
        if (event.kind === 'finished') {
          outcome = 'ok';
          metrics.finished(name, event);
        }
        yield event;
      }
    } catch (error) {
      outcome = toTercetError(error).code;
      throw error;
    } finally {
      metrics.ended(name, outcome);
      reported.ended(outcome);
    }
  };
}
