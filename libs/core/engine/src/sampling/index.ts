export { createSamplerFactory, type SamplerKernels, type SamplerVocabulary } from './sampler-factory.js';
