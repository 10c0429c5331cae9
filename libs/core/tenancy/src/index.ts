export {
  AdmissionControl,
  type AdmissionLimits,
  type Arrival,
  type Ask,
  type Refusal,
  type Ticket,
} from './admission-control.js';
export { formatApiKey, idBytes, isApiKey, keyIdOf, secretBytes } from './api-key.js';
export type { ApiKeyRecord, KeyStore } from './key-store.js';
export { MemoryKeyStore } from './memory-key-store.js';
export {
  anonymous,
  lowerPriority,
  type Priority,
  priorities,
  type Scope,
  scopes,
  type Tenant,
  type TenantLimits,
  tenantNamePattern,
  unlimited,
} from './tenant.js';
