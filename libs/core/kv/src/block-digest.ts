import { type Brand, digestOf } from '@tercet/base';
import type { PrefixKey } from './prefix-key.js';

/**
 * Stands for a block and all blocks before it, where the label itself is too long: in what others are told of a cache.
 * Two prompts share it where they share rows. A collision can only mislead who plans; rows are found by their labels.
 */
export type BlockDigest = Brand<number, 'BlockDigest'>;

/** Digest of a block by its label and the digest of those before it; 0 before the first. */
export function blockDigestOf(label: string, before: number): BlockDigest {
  return digestOf(label, before) as BlockDigest;
}

/** Digests of all full blocks of a prompt. */
export function blockDigestsOf(key: PrefixKey): BlockDigest[] {
  let before = 0;
  return key.map((label) => {
    const digest = blockDigestOf(label, before);
    before = digest;
    return digest;
  });
}

/** Hears which prefixes a cache has. Every block is told as stored before it is told as evicted, and so on in turn. */
export interface PrefixListener {
  stored(block: BlockDigest): void;
  evicted(block: BlockDigest): void;
}
