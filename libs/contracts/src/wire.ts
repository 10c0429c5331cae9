// Everything that goes over the wire, generated from proto/ by the build. Used as `wire.PrefillRequest`.
// The names below stand in every generated file; naming them once settles which one is meant.

export * from './generated/tercet/v1/common.js';
export {
  type DeepPartial,
  type MessageFns,
  protobufFileName,
  protobufPackage,
} from './generated/tercet/v1/common.js';
export * from './generated/tercet/v1/controller.js';
export * from './generated/tercet/v1/decode.js';
export * from './generated/tercet/v1/encode.js';
export * from './generated/tercet/v1/events.js';
export * from './generated/tercet/v1/facts.js';
export * from './generated/tercet/v1/gateway.js';
export * from './generated/tercet/v1/prefill.js';
export * from './generated/tercet/v1/vector_index.js';
export * from './generated/tercet/v1/worker.js';
