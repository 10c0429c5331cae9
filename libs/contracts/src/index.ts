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
export * as wire from './wire.js';
