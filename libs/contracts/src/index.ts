export {
  type ErrorCode,
  type ErrorDetails,
  errorTable,
  type GrpcStatusName,
  isErrorCode,
  type RetryClass,
  TercetError,
  toTercetError,
} from './errors.js';
export type { Epoch, LeaseId, PodId, RequestId, TenantId } from './ids.js';
export type { LabelValues, Metric, MetricType, MetricUnit, ServiceName } from './metric.js';
export {
  type KeyRefusal,
  type LabelsOf,
  type MetricName,
  type MetricNameOf,
  metricList,
  metricOf,
  type SpanName,
  spanNames,
  type TtftPart,
  ttftParts,
} from './metrics.js';
export {
  type PhaseName,
  payloadFieldKinds,
  phaseNameOf,
  phaseNames,
  type RoleName,
  roleNameOf,
  roleNames,
  vectorMetrics,
} from './names.js';
export * as wire from './wire.js';
