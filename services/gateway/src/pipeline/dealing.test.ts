import { describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import fc from 'fast-check';
import { dealInputs } from './embeddings.js';
import { dealTiles } from './encode.js';
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

describe('dealTiles', () => {
  test('every tile once and in order, shares that differ by less than the largest share, one image a shard', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 5 }),
        (perImage, count) => {
          const tiles = tilesOf(perImage);
          const shards = dealTiles(tiles, encodersOf(count));
          expect(shards.flatMap((shard) => shard.tiles)).toEqual(tiles);
          for (const shard of shards) {
            expect(new Set(shard.tiles.map(({ imageIndex }) => imageIndex))).toEqual(new Set([shard.imageIndex]));
          }
          const most = Math.ceil(tiles.length / count);
          const loads = new Map<string, number>();
          for (const { encoder, tiles: some } of shards) {
            loads.set(encoder.podId, (loads.get(encoder.podId) ?? 0) + some.length);
          }
          expect(Math.max(...loads.values())).toBeLessThanOrEqual(most);
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
