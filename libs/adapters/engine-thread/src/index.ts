export { arenaOfOwner } from './arena-request.js';
export { EngineThread, type EngineThreadOptions } from './engine-thread.js';
export { hostEngine, refuseToOpen } from './host-engine.js';
