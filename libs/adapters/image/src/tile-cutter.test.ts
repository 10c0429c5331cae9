import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { wire } from '@tercet/contracts';
import { planImage, type VisionShape } from '@tercet/media';
import type { TileSource } from '@tercet/stage';
import { openTileCutter, probeImage } from './index.js';

type FileRow = [string, number, number, number, number, boolean, 'half' | 'clip', number, string];
const folder = new URL('./testdata/', import.meta.url);
const golden = JSON.parse(readFileSync(new URL('golden.json', folder), 'utf8')) as { files: FileRow[] };
const norms = {
  half: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  clip: { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] },
};
const limits = { bytesMax: 1e6, pixelsMax: 1e6, edgeMax: 4096 };
const tiny: VisionShape = { tileSize: 64, longestEdge: 256, tokensPerTile: 16, split: true };
const never = new AbortController().signal;
const cutter = openTileCutter({ ...limits, workersMax: 2 });
afterAll(() => cutter[Symbol.asyncDispose]());

describe('pixels', () => {
  test.each([...new Set(golden.files.map(([name]) => name))])('of %s equal those of the reference', async (name) => {
    const image = read(name);
    for (const row of golden.files.filter((each) => each[0] === name)) {
      const [, width, height, tileSize, longestEdge, split, norm, count, digest] = row;
      const probed = probeImage(image, limits);
      expect([probed.width, probed.height]).toEqual([width, height]);
      const source = sourceOf(image, { tileSize, longestEdge, tokensPerTile: 1, split }, norm);
      expect(source.tiles.length).toBe(count);
      const pixels = await cutter.cutTiles(source, never);
      expect(pixels.length).toBe(count * 3 * tileSize * tileSize);
      expect([...row.slice(0, 8), createHash('sha256').update(pixels).digest('hex')]).toEqual([
        ...row.slice(0, 8),
        digest,
      ]);
    }
  });

  test('of some tiles are the same as of these tiles among all', async () => {
    const source = sourceOf(read('wide-420.jpg'), tiny, 'half');
    const all = await cutter.cutTiles(source, never);
    const tileValues = 3 * 64 * 64;
    for (const picked of [[3], [5, 2], [7, 6, 1], [source.tiles.length - 1, 0]]) {
      const tiles = picked.map((i) => source.tiles[i] as wire.Tile);
      const some = await cutter.cutTiles({ ...source, tiles }, never);
      picked.forEach((index, i) => {
        const expected = all.slice(index * tileValues, (index + 1) * tileValues);
        expect(some.slice(i * tileValues, (i + 1) * tileValues)).toEqual(expected);
      });
    }
  });
});

describe('a damaged file', () => {
  test.each(['rgb.png', 'wide-420.jpg', 'progressive.jpg', 'lossy.webp', 'lossless-alpha.webp', 'still.gif'])(
    '%s that ends early is refused wherever it ends',
    async (name) => {
      const image = read(name);
      const source = sourceOf(image, tiny, 'half');
      for (const share of [0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9]) {
        const cut = image.subarray(0, Math.floor(image.length * share));
        const error = await cutter.cutTiles({ ...source, image: cut }, never).catch((each: unknown) => each);
        expect([share, (error as { code?: string }).code]).toEqual([
          share,
          expect.stringMatching(/^media_(invalid|type_unsupported)$/),
        ]);
      }
    },
  );

  test('a JPEG of hundreds of scans is refused before it is decoded', async () => {
    const image = read('progressive.jpg');
    const scan = image.subarray(
      image.findIndex((byte, i) => byte === 0xff && image[i + 1] === 0xda),
      -2,
    );
    const bomb = new Uint8Array([...image.subarray(0, -2), ...Array.from({ length: 200 }, () => [...scan]).flat()]);
    const source = { ...sourceOf(image, tiny, 'half'), image: bomb };
    await expect(cutter.cutTiles(source, never)).rejects.toMatchObject({
      code: 'media_invalid',
      details: { reason: expect.stringContaining('scans') },
    });
  });

  test('its thread lives on', async () => {
    const broken = { ...sourceOf(read('rgb.png'), tiny, 'half'), image: read('rgb.png').subarray(0, 900) };
    const good = sourceOf(read('rgb.png'), tiny, 'half');
    for (let i = 0; i < 3; i++) {
      await expect(cutter.cutTiles(broken, never)).rejects.toMatchObject({ code: 'media_invalid' });
      expect((await cutter.cutTiles(good, never)).length).toBe(good.tiles.length * 3 * 64 * 64);
    }
  });
});

describe('the plan', () => {
  const source = sourceOf(read('rgb.png'), tiny, 'half');
  const tile = source.tiles[0] as wire.Tile;
  test.each<[string, Partial<TileSource>]>([
    ['a tile outside the image', { tiles: [{ ...tile, x: 256 }] }],
    ['a tile of another size', { tiles: [{ ...tile, size: 32 }] }],
    ['a resized image of a gigapixel', { resized: { width: 32_768, height: 32_768 } }],
    ['a resized image of nothing', { resized: { width: 0, height: 64 } }],
    ['a bounded image of a gigapixel', { bounded: { width: 32_768, height: 32_768 } }],
  ])('with %s is refused', async (_name, change) => {
    const asked = cutter.cutTiles({ ...source, ...change }, never);
    await expect(asked).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe('the threads', () => {
  test('take no more than may wait', async () => {
    await using small = openTileCutter({ ...limits, workersMax: 1, waitingMax: 2 });
    const source = sourceOf(read('wide-420.jpg'), tiny, 'half');
    const asked = [1, 2, 3, 4].map(() => small.cutTiles(source, never).then(String, (e: { code: string }) => e.code));
    const answers = await Promise.all(asked);
    expect(answers.filter((answer) => answer === 'overloaded').length).toBe(1);
  });

  test('forget a task that was aborted while it waits', async () => {
    await using small = openTileCutter({ ...limits, workersMax: 1, waitingMax: 1 });
    const source = sourceOf(read('wide-420.jpg'), tiny, 'half');
    const abort = new AbortController();
    const first = small.cutTiles(source, never);
    const second = small.cutTiles(source, abort.signal);
    abort.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    const third = small.cutTiles(source, never);
    expect((await third).length).toBe((await first).length);
  });

  test('that were warmed up serve as others do', async () => {
    await using warm = openTileCutter({ ...limits, workersMax: 1 });
    warm.warm();
    warm.warm();
    const source = sourceOf(read('wide-420.jpg'), tiny, 'half');
    expect((await warm.cutTiles(source, never)).length).toBe(source.tiles.length * 3 * 64 * 64);
  });

  test('answer what was asked before they end', async () => {
    const closing = openTileCutter({ ...limits, workersMax: 1 });
    const source = sourceOf(read('rgb.png'), tiny, 'half');
    const asked = [1, 2].map(() => closing.cutTiles(source, never).catch((e: { code: string }) => e.code));
    await closing[Symbol.asyncDispose]();
    expect(await Promise.all(asked)).toEqual(['shutting_down', 'shutting_down']);
    await expect(closing.cutTiles(source, never)).rejects.toMatchObject({ code: 'shutting_down' });
  });
});

function read(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(name, folder)));
}

function sourceOf(image: Uint8Array, vision: VisionShape, norm: 'half' | 'clip'): TileSource {
  const plan = planImage(probeImage(image, limits), vision);
  return {
    image,
    tiles: plan.tiles.map((tile) => ({ ...tile, contentKey: '' })),
    bounded: { width: plan.boundedWidth, height: plan.boundedHeight },
    resized: { width: plan.resizedWidth, height: plan.resizedHeight },
    media: { ...vision, patchesPerTile: 1, dim: 1, ...norms[norm] },
  };
}
