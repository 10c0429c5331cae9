export { type CoreGrant, DeviceArbiter } from './arbiter-client.js';
export { DeviceArbiterServer, type DeviceArbiterServerOptions } from './arbiter-server.js';
export { CoreShares, type ShareActions } from './core-shares.js';
