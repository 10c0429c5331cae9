import { toTercetError } from '@tercet/contracts';
import type { Generate } from './http/chat.js';
import type { GatewayMetrics } from './metrics.js';
import type { Pipeline } from './pipeline/pipeline.js';

/** The pipeline with its requests counted, however they end. */
export function measured<Pod>(pipeline: Pipeline<Pod>, metrics: GatewayMetrics): Generate {
  return async function* generate(request, signal) {
    const { name } = request.model;
    let outcome = 'cancelled';
    metrics.began();
    try {
      for await (const event of pipeline.run(request, signal)) {
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
    }
  };
}
