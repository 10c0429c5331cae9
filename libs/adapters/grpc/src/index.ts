export type { CallContext, Metadata } from 'nice-grpc-common';
export type { CallGate, CallTicket } from './call-gate.js';
export { GrpcChannel } from './client.js';
export type { GrpcTls } from './credentials.js';
export { peerNames, requirePeer } from './peer.js';
export { GrpcServer, type GrpcServerOptions, type MountedService, service } from './server.js';
export { fromClientError, toServerError } from './status.js';
