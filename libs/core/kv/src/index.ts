export { type BlockDigest, blockDigestsOf, type PrefixListener } from './block-digest.js';
export {
  type KvAdmission,
  KvCache,
  type KvCacheOptions,
  type KvCopy,
  type KvDemand,
  reusedTokens,
} from './kv-cache.js';
export { type MediaKey, type PrefixKey, type PrefixSource, prefixKeyOf } from './prefix-key.js';
export { type PrefixMatch, PrefixTree } from './prefix-tree.js';
export {
  blocksFor,
  blockTokens,
  type SlotAdmission,
  type SlotId,
  SlotPool,
  type SlotPoolOptions,
  type SlotResize,
} from './slot-pool.js';
