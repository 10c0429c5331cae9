import { describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import fc from 'fast-check';
import { dealInputs } from './embeddings.js';
import { shardsOf } from './encode.js';
import type { PodView } from './plan.js';

const encodersOf = (count: number): PodView<string>[] =>
  Array.from({ length: count }, (_, i) => ({
    pod: `e${i}`,
    podId: `e${i}`,
    role: wire.Role.ROLE_ENCODE,
    epoch: 1n,
    model: 'm',
    modelDigest: 'd',
    busy: 0,
  }));
const tilesOf = (perImage: readonly number[]) =>
  perImage.flatMap((count, imageIndex) =>
    Array.from({ length: count }, (_, tileIndex) => ({ imageIndex, tileIndex, start: 0, tokens: 4, contentKey: '' })),
  );

describe('shardsOf', () => {
  test('every tile once, at its encoder; a shard for each image that an encoder has tiles of', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat({ max: 3 }), { minLength: 102, maxLength: 102 }),
        (perImage, dealt) => {
          const tiles = tilesOf(perImage);
          const encoders = tiles.map((_, i) => encodersOf(4)[dealt[i] as number] as PodView<string>);
          const shards = shardsOf(tiles, encoders);
          const placed = shards.flatMap((shard) => shard.tiles.map((tile) => ({ tile, podId: shard.encoder.podId })));
          expect(placed).toHaveLength(tiles.length);
          for (const { tile, podId } of placed) expect(encoders[tiles.indexOf(tile)]?.podId).toBe(podId);
          const names = shards.map(({ encoder, imageIndex, tiles: some }) => {
            expect(new Set(some.map((tile) => tile.imageIndex))).toEqual(new Set([imageIndex]));
            expect(some).toEqual(some.toSorted((a, b) => a.tileIndex - b.tileIndex));
            return `${encoder.podId} ${imageIndex}`;
          });
          expect(new Set(names).size).toBe(shards.length);
        },
      ),
    );
  });
});

describe('dealInputs', () => {
  test('every text once and in order, and no encoder more than its share and one text', () => {
    const text = fc.integer({ min: 1, max: 50 });
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 5 }), (lengths, count) => {
        const inputs = lengths.map((length, i) => Array<number>(length).fill(i));
        const shares = dealInputs(inputs, encodersOf(count));
        expect(shares.flatMap((share) => share.inputs)).toEqual(inputs);
        const total = lengths.reduce((sum, length) => sum + length, 0);
        for (const share of shares) {
          const tokens = share.inputs.reduce((sum, ids) => sum + ids.length, 0);
          expect(tokens).toBeLessThanOrEqual(total / count + Math.max(...lengths));
          expect(share.inputs.length).toBeGreaterThan(0);
        }
      }),
    );
  });
});
