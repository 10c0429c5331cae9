export { DecodeStage, type DecodeStageOptions } from './decode-stage.js';
export { type CutTiles, EncodeStage, type EncodeStageOptions, type TileSource } from './encode-stage.js';
export { samplingFromWire, tokenToWire } from './from-wire.js';
export { mediaLayoutDigest } from './media-layout.js';
export { MemoryTensors, type MemoryTensorsOptions } from './memory-tensors.js';
export { PrefillStage, type PrefillStageOptions } from './prefill-stage.js';
export { type MountedStage, RoleHost, type RoleHostOptions, type RoleState } from './role-host.js';
export type { LentSegment, LentTensor, PullTarget, TensorPort } from './tensor-port.js';
export { TileCache, type TileChange } from './tile-cache.js';
