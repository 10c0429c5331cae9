export type * from './backend.js';
export type * from './stage-engine.js';
