export type { CallContext, Metadata } from 'nice-grpc-common';
export type { CallGate, CallTicket } from './call-gate.js';
export { GrpcChannel } from './client.js';
export { GrpcServer, type MountedService, service } from './server.js';
export { fromClientError, toServerError } from './status.js';
