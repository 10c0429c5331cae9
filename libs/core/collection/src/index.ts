export { Bitmap } from './bitmap.js';
export { Collection, type MemoryUse } from './collection.js';
export type { CollectionOptions } from './collection-options.js';
export { ExactIndex } from './exact-index.js';
export type { Filter, FilterValue } from './filter/filter.js';
export { type Checksum, type FrameRead, frameBytesMax, frameHead, frameHeadBytes, readFrame } from './log/frame.js';
export {
  decodeChanges,
  decodePiece,
  encodeChanges,
  type LoggedChange,
  pointsFromWire,
  pointsToWire,
} from './log/records.js';
export { bytesOf, floatsOf } from './log/vector-bytes.js';
export { type Change, checkIds, checkPoints, checkVector, type Points } from './points.js';
export type { Answer, Explanation, Hit, Query, QueryOptions } from './search/query.js';
export type { Fusion } from './search/ranked.js';
export { type Route, type RouteLimits, routes } from './search/route.js';
export {
  type CollectionLimits,
  type CollectionSpec,
  checkCollectionName,
  checkSpec,
  type FieldKind,
  type FieldSpec,
  fieldKinds,
} from './spec.js';
export { specFromWire, specToWire } from './spec-wire.js';
export type { Metric, SearchRequest, SearchResult, VectorIndex } from './vector-index.js';
