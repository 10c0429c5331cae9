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
