export type * from './stage-engine.js';
