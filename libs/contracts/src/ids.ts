import type { Brand } from '@tercet/base';

export type RequestId = Brand<string, 'RequestId'>;
export type PodId = Brand<string, 'PodId'>;
export type LeaseId = Brand<string, 'LeaseId'>;
export type TenantId = Brand<string, 'TenantId'>;

/** Grows with each role that a process takes; a call that carries another epoch is refused. */
export type Epoch = Brand<bigint, 'Epoch'>;
