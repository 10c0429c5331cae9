import { digestOf } from '@tercet/base';
import type { ImagePlan, PlannedTile } from './image-plan.js';

export interface TileContent {
  /** Hash of the image file's bytes. */
  readonly contentHash: string;
  readonly plan: ImagePlan;
  readonly tile: PlannedTile;
  /** Digest of the vision weights and of how pixels are normalised. */
  readonly preprocessingDigest: string;
}

/**
 * Names the media tokens of one tile: equal keys ⇔ equal rows. It holds what the tile is rather than its index, so
 * that plans of other models or limits which cut the same tile share it.
 */
export function contentKeyOf({ contentHash, plan, tile, preprocessingDigest }: TileContent): string {
  const sizes = `${plan.boundedWidth}x${plan.boundedHeight}>${plan.resizedWidth}x${plan.resizedHeight}`;
  const place = tile.globalView ? `all>${tile.size}` : `${tile.x},${tile.y}+${tile.size}`;
  return `${contentHash}/${sizes}/${place}/${preprocessingDigest}`;
}

/** Names media tokens in a cache. Separates tenants, so that no time tells which pictures others sent. */
export function cacheKeyOf(tenant: string, contentKey: string): string {
  return `${tenant.length}:${tenant}${contentKey}`;
}

/** Stands for media tokens in what others are told of a cache. */
export function mediaDigestOf(cacheKey: string): number {
  return digestOf(cacheKey);
}
