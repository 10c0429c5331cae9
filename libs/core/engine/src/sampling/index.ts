export { createSamplerFactory, type SamplerVocabulary } from './sampler-factory.js';
