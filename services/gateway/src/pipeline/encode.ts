import { TercetError, type wire } from '@tercet/contracts';
import type { PodView } from './plan.js';
import type { PreparedPrompt, TileSlots } from './prepare.js';

/** Some tiles of one image, for one encoder. */
export interface EncodeShard<Pod> {
  readonly encoder: PodView<Pod>;
  readonly imageIndex: number;
  readonly tiles: readonly TileSlots[];
}

/** The tiles of each encoder, image by image, in order. @param encoders one for each tile */
export function shardsOf<Pod>(tiles: readonly TileSlots[], encoders: readonly PodView<Pod>[]): EncodeShard<Pod>[] {
  const shards = new Map<string, { encoder: PodView<Pod>; imageIndex: number; tiles: TileSlots[] }>();
  for (const [index, tile] of tiles.entries()) {
    const encoder = encoders[index] as PodView<Pod>;
    const { imageIndex } = tile;
    const key = `${imageIndex} ${encoder.podId}`;
    const shard = shards.get(key);
    if (shard === undefined) shards.set(key, { encoder, imageIndex, tiles: [tile] });
    else shard.tiles.push(tile);
  }
  return [...shards.values()];
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
