export { type AuditEntry, AuditLog } from './audit-log.js';
export { TracingConfig } from './config.js';
export { type Log, type LogFields, openLog } from './log.js';
export { type Exposition, MetricsServer } from './metrics-server.js';
export { openTracer } from './open-tracer.js';
export { ServiceMetrics } from './service-metrics.js';
export { systemClock } from './system-clock.js';
export { acceptedTraceparent, traceFields } from './traceparent.js';
export { noTracer, type RequestSpan, type SpanAttributes, type Tracer, type TracerOptions } from './tracer.js';
