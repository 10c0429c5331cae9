import type { EngineDescriptor } from '@tercet/engine';

/** What both sides of a media lease must agree on: the weights that made the rows, and their shape. */
export function mediaLayoutDigest(descriptor: EngineDescriptor): string {
  const { media, modelDigest } = descriptor;
  return `media-${modelDigest}-${media?.tokensPerTile ?? 0}x${media?.dim ?? 0}`;
}
