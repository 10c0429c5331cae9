export { Channel } from './channel.js';
export { EmbeddedEngine } from './embedded-engine.js';
export { FakeBackend, type FakeBackendOptions, fakeKernelRows } from './fake-backend.js';
export { greedySampler, greedySampling } from './greedy-sampler.js';
export { LayerGate } from './layer-gate.js';
export type { AcquireCores, CoreGrant, CoreNeed, EmbeddedEngineOptions, EngineLimits } from './options.js';
export type { Sampler, SamplerContext, SamplerFactory } from './sampler.js';
