export type * from './backend.js';
export * from './embedded/index.js';
export { checkGrammar } from './grammar/index.js';
export * from './model/index.js';
export * from './sampling/index.js';
export type * from './stage-engine.js';
export type * from './tensor-ops.js';
export { type StepWork, WorkLog, type WorkReader, type WorkSample, workSamplesMax } from './work-log.js';
