import type { TracingConfig } from './config.js';
import { noTracer, type Tracer, type TracerOptions } from './tracer.js';

/** The tracer that the configuration asks for. OpenTelemetry is loaded only where there is an endpoint. */
export async function openTracer(config: TracingConfig, options: TracerOptions): Promise<Tracer> {
  const { endpoint } = config;
  if (endpoint === undefined) return noTracer;
  const { OtlpTracer } = await import('./otlp-tracer.js');
  return new OtlpTracer({ ...config, endpoint }, options);
}
