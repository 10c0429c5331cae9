import { TercetError, type wire } from '@tercet/contracts';
import type { PodView } from './plan.js';
import type { PreparedPrompt, TileSlots } from './prepare.js';

/** Some tiles of one image, for one encoder. */
export interface EncodeShard<Pod> {
  readonly encoder: PodView<Pod>;
  readonly imageIndex: number;
  readonly tiles: readonly TileSlots[];
}

/**
 * Deals the tiles of a request over all encoders, in order and as evenly as whole tiles allow. A shard never holds
 * tiles of two images.
 */
export function dealTiles<Pod>(tiles: readonly TileSlots[], encoders: readonly PodView<Pod>[]): EncodeShard<Pod>[] {
  const share = Math.ceil(tiles.length / Math.max(1, encoders.length));
  const shards: { encoder: PodView<Pod>; imageIndex: number; tiles: TileSlots[] }[] = [];
  for (const [index, tile] of tiles.entries()) {
    const encoder = encoders[Math.floor(index / share)] as PodView<Pod>;
    const last = shards.at(-1);
    if (last?.encoder === encoder && last.imageIndex === tile.imageIndex) last.tiles.push(tile);
    else shards.push({ encoder, imageIndex: tile.imageIndex, tiles: [tile] });
  }
  return shards;
}

/** The call that encodes a shard. */
export function encodeRequest<Pod>(
  shard: EncodeShard<Pod>,
  prompt: PreparedPrompt,
  call: { readonly context: wire.CallContext; readonly model: string; readonly reader: string },
): wire.EncodeTilesRequest {
  const image = prompt.images[shard.imageIndex];
  if (image === undefined) throw new TercetError('internal', { imageIndex: shard.imageIndex });
  const { plan, bytes, contentHash } = image;
  return {
    ...call,
    image: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    contentHash,
    tiles: shard.tiles.flatMap(({ tileIndex, contentKey }) => {
      const tile = plan.tiles[tileIndex];
      return tile === undefined ? [] : [{ ...tile, contentKey }];
    }),
    resizedWidth: plan.resizedWidth,
    resizedHeight: plan.resizedHeight,
    boundedWidth: plan.boundedWidth,
    boundedHeight: plan.boundedHeight,
  };
}

/** Where the rows of a shard go in the prompt. @throws stage_protocol when the encoder answered with other sizes */
export function spansOf<Pod>(shard: EncodeShard<Pod>, answer: wire.EncodeTilesResponse): wire.MediaSpan[] {
  const { lease, tokensPerTile } = answer;
  const expected = shard.tiles[0]?.tokens;
  if (lease === undefined || tokensPerTile !== expected) {
    throw new TercetError('stage_protocol', { stage: 'encode', tokensPerTile, expected });
  }
  return shard.tiles.map(({ start, tokens, contentKey }, index) => ({
    start,
    tokens,
    contentKey,
    lease,
    leaseRow: index * tokensPerTile,
  }));
}
