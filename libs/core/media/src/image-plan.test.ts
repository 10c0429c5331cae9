import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { contentKeyOf, type ImagePlan, planImage, promptOf, type VisionShape } from './index.js';

type PlanRow = readonly [number, number, number, number, number, number, number, number, number, number, number];
const golden = JSON.parse(readFileSync(new URL('./testdata/image-plans.json', import.meta.url), 'utf8')) as {
  plans: PlanRow[];
  prompts: [number, number, number, string][];
};
const tiny: VisionShape = { tileSize: 64, longestEdge: 256, tokensPerTile: 16, split: true };
const generous = { pixelsMax: 1e9, tilesMax: 1000 };

describe('planImage', () => {
  test('sizes, rows and columns equal those of the reference', () => {
    expect(golden.plans.length).toBeGreaterThan(1000);
    for (const [width, height, tileSize, longestEdge, split, ...expected] of golden.plans) {
      const plan = planImage({ width, height }, { tileSize, longestEdge, tokensPerTile: 1, split: split === 1 });
      const { boundedWidth, boundedHeight, resizedWidth, resizedHeight, rows, columns } = plan;
      const actual = [boundedWidth, boundedHeight, resizedWidth, resizedHeight, rows, columns];
      expect([width, height, tileSize, longestEdge, ...actual]).toEqual([
        width,
        height,
        tileSize,
        longestEdge,
        ...expected,
      ]);
    }
  });

  test('tiles partition the resized image in reading order and the global view comes last', () => {
    const edge = fc.integer({ min: 1, max: 5000 });
    fc.assert(
      fc.property(edge, edge, fc.constantFrom(1, 2, 3, 4), fc.boolean(), (width, height, times, split) => {
        const vision = { ...tiny, longestEdge: 64 * times, split };
        const plan = planImage({ width, height }, vision, generous);
        const views = plan.tiles.filter((tile) => tile.globalView);
        const cuts = plan.tiles.filter((tile) => !tile.globalView);
        expect(views).toEqual([plan.tiles.at(-1)]);
        expect(cuts.length).toBe(plan.rows * plan.columns);
        if (cuts.length > 0) expect(cuts.length * 64 * 64).toBe(plan.resizedWidth * plan.resizedHeight);
        cuts.forEach((tile, i) => {
          expect(tile).toEqual({
            index: i,
            x: (i % plan.columns) * 64,
            y: Math.floor(i / plan.columns) * 64,
            size: 64,
            globalView: false,
          });
        });
        expect(plan.mediaTokens).toBe(plan.tiles.length * 16);
      }),
    );
  });

  test.each([
    ['no width', { width: 0, height: 5 }],
    ['a negative height', { width: 5, height: -1 }],
    ['half a pixel', { width: 5.5, height: 5 }],
    ['not a number', { width: Number.NaN, height: 5 }],
  ])('%s is media_invalid', (_name, size) => {
    expect(() => planImage(size, tiny)).toThrow(expect.objectContaining({ code: 'media_invalid' }));
  });

  test.each([
    ['pixels', { pixelsMax: 9_999, tilesMax: 100 }],
    ['tiles', { pixelsMax: 1e9, tilesMax: 16 }],
  ])('an image over the limit of %s is media_too_large', (_name, limits) => {
    const size = { width: 100, height: 100 };
    expect(() => planImage(size, tiny, limits)).toThrow(expect.objectContaining({ code: 'media_too_large' }));
    expect(planImage(size, tiny, { pixelsMax: 10_000, tilesMax: 17 }).tiles.length).toBe(17);
  });
});

describe('promptOf', () => {
  test.each(golden.prompts)('%i rows of %i tiles read as the reference writes them', (rows, columns, tokens, text) => {
    const size = { width: Math.max(1, columns) * 64, height: Math.max(1, rows) * 64 };
    const longestEdge = Math.max(size.width, size.height);
    const plan = planImage(size, { tileSize: 64, longestEdge, tokensPerTile: tokens, split: true });
    expect([plan.rows, plan.columns]).toEqual([rows, columns]);
    expect(promptTextOf(plan, tokens)).toBe(text);
  });

  test('text and tiles alternate, so that no line break is torn from its neighbour', () => {
    const kinds = promptOf(planImage({ width: 300, height: 200 }, tiny)).map((piece) => piece.kind);
    kinds.forEach((kind, i) => {
      expect(kind).toBe(i % 2 === 0 ? 'text' : 'tile');
    });
    expect(kinds.at(-1)).toBe('text');
  });
});

test('content keys of different tiles, plans, images and weights differ', () => {
  const keys = new Set<string>();
  let count = 0;
  for (const contentHash of ['a', 'b']) {
    for (const preprocessingDigest of ['v1', 'v2']) {
      for (const width of [64, 300]) {
        const plan = planImage({ width, height: 200 }, tiny);
        for (const tile of plan.tiles) {
          keys.add(contentKeyOf({ contentHash, plan, tile, preprocessingDigest }));
          count++;
        }
      }
    }
  }
  expect(keys.size).toBe(count);
});

function promptTextOf(plan: ImagePlan, tokensPerTile: number): string {
  return promptOf(plan)
    .map((piece) => (piece.kind === 'text' ? piece.text : '<image>'.repeat(tokensPerTile)))
    .join('');
}
