export { assert, unreachable } from './assert.js';
export { BoundedQueue, type OfferResult } from './bounded-queue.js';
export type { Brand } from './brand.js';
export { type CertificateSet, type Certificates, namesPod, peerNamesOf } from './certificates.js';
export { type Clock, ManualClock } from './clock.js';
export { digestOf } from './digest.js';
export { Prng } from './prng.js';
