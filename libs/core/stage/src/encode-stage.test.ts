import { describe, expect, test } from '@jest/globals';
import { never, StageTrio, tilesRequest } from './testing.js';

describe('EncodeStage', () => {
  test('lends the media tokens of the tiles in the order asked for', async () => {
    await using trio = new StageTrio();
    const { lease, tokensPerTile, cachedTiles } = await trio.encode.encodeTiles(tilesRequest(['a', 'b']), never);
    expect({ tokensPerTile, cachedTiles, shape: lease?.shape }).toEqual({
      tokensPerTile: 2,
      cachedTiles: 0,
      shape: [4, 4],
    });
    expect(trio.encode.leasesOpen).toBe(1);
    const [both, second] = [await read(trio, lease), await rows(trio, ['b'])];
    expect(both.subarray(8)).toEqual(second);
    expect(both.subarray(0, 8)).not.toEqual(second);
    expect(trio.encode.leasesOpen).toBe(0);
  });

  test('tells the sizes of the picture to whoever cuts it', async () => {
    await using trio = new StageTrio();
    await trio.encode.encodeTiles(tilesRequest(['a']), never);
    expect(trio.cuts[0]).toMatchObject({
      bounded: { width: 80, height: 40 },
      resized: { width: 8, height: 4 },
      media: { tileSize: 4 },
    });
  });

  test('a tile that was encoded is not computed again, one without a key always is', async () => {
    await using trio = new StageTrio();
    const first = await rows(trio, ['a', '']);
    const { cachedTiles } = await trio.encode.encodeTiles(tilesRequest(['a', '', 'c']), never);
    expect(cachedTiles).toBe(1);
    expect(trio.cuts.map(({ tiles }) => tiles.map(({ index }) => index))).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect((await rows(trio, ['a', ''])).subarray(0, 8)).toEqual(first.subarray(0, 8));
    expect(trio.encode.counters).toEqual({ cacheHits: 2, requestsDone: 3, tokensDone: 14 });
  });

  test.each([0, 5])('%d tiles are refused', async (count) => {
    await using trio = new StageTrio();
    const request = tilesRequest(Array<string>(count).fill('a'));
    await expect(trio.encode.encodeTiles(request, never)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('a caller that is gone gets no lease', async () => {
    await using trio = new StageTrio();
    const gone = AbortSignal.abort(new Error('gone'));
    await expect(trio.encode.encodeTiles(tilesRequest(['a']), gone)).rejects.toMatchObject({ code: 'cancelled' });
    expect([trio.held, trio.encode.leasesOpen]).toEqual([0, 0]);
  });

  test('texts become unit vectors', async () => {
    await using trio = new StageTrio();
    const inputs = [{ ids: [1, 2, 3] }, { ids: [4] }];
    const { embeddings } = await trio.encode.embedText({ context: undefined, model: 'fake', inputs }, never);
    for (const { values } of embeddings) expect(Math.hypot(...values)).toBeCloseTo(1, 5);
    expect(embeddings).toHaveLength(2);
  });

  test('what is still lent when it is unmounted is taken back', async () => {
    await using trio = new StageTrio();
    const { lease } = await trio.encode.encodeTiles(tilesRequest(['a']), never);
    await trio.encode[Symbol.asyncDispose]();
    await expect(read(trio, lease)).rejects.toMatchObject({ code: 'lease_unknown' });
  });
});

type Lease = Awaited<ReturnType<StageTrio['encode']['encodeTiles']>>['lease'];

async function rows(trio: StageTrio, contentKeys: readonly string[]): Promise<Float32Array> {
  return read(trio, (await trio.encode.encodeTiles(tilesRequest(contentKeys), never)).lease);
}

async function read(trio: StageTrio, lease: Lease): Promise<Float32Array> {
  if (lease === undefined) throw new Error('no lease');
  const found = new Float32Array(Number(lease.bytes) / 4);
  const target = () => new Uint8Array(found.buffer);
  await trio.tensors.pull(lease, { layoutDigest: lease.layoutDigest, target }, never);
  return found;
}
