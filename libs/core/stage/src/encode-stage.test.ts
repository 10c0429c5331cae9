import { describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { context, never, StageTrio, tilesRequest } from './testing.js';

describe('EncodeStage', () => {
  test('lends the media tokens of the tiles in the order asked for', async () => {
    await using trio = new StageTrio();
    const { lease, tokensPerTile, cachedTiles } = await trio.encoded(tilesRequest(['a', 'b']));
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
    await trio.encoded(tilesRequest(['a']));
    expect(trio.cuts[0]).toMatchObject({
      bounded: { width: 80, height: 40 },
      resized: { width: 8, height: 4 },
      media: { tileSize: 4 },
    });
  });

  test('a tile that was encoded is not computed again, one without a key always is', async () => {
    await using trio = new StageTrio();
    const first = await rows(trio, ['a', '']);
    const { cachedTiles } = await trio.encoded(tilesRequest(['a', '', 'c']));
    expect(cachedTiles).toBe(1);
    expect(trio.cuts.map(({ tiles }) => tiles.map(({ index }) => index))).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect((await rows(trio, ['a', ''])).subarray(0, 8)).toEqual(first.subarray(0, 8));
    expect(trio.encode.counters).toEqual({ cacheHits: 2, requestsDone: 3, tokensDone: 14 });
  });

  test('what one tenant had encoded is computed again for another', async () => {
    await using trio = new StageTrio();
    const context = wire.CallContext.fromPartial({ requestId: 'r', tenant: 'a' });
    const requests = [
      { ...tilesRequest(['x']), context },
      // Neither another name nor one that runs on into the key may meet its entries.
      { ...tilesRequest(['x']), context: { ...context, tenant: 'b' } },
      { ...tilesRequest(['ax']), context: { ...context, tenant: '' } },
      { ...tilesRequest(['x']), context },
    ];
    const cached: number[] = [];
    for (const request of requests) cached.push((await trio.encoded(request)).cachedTiles);
    expect(cached).toEqual([0, 0, 0, 1]);
  });

  test.each([0, 5])('%d tiles are refused', async (count) => {
    await using trio = new StageTrio();
    const request = tilesRequest(Array<string>(count).fill('a'));
    await expect(trio.encoded(request)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('a caller that is gone gets no lease', async () => {
    await using trio = new StageTrio();
    const gone = AbortSignal.abort(new Error('gone'));
    await expect(trio.encoded(tilesRequest(['a']), gone)).rejects.toMatchObject({ code: 'cancelled' });
    expect([trio.held, trio.encode.leasesOpen]).toEqual([0, 0]);
  });

  test('a call lasts until its tensor was read', async () => {
    await using trio = new StageTrio();
    const call = trio.encode.encodeTiles(tilesRequest(['a']), never);
    const { value } = await call.next();
    let isOver = false;
    const over = call.next().then(({ done }) => {
      isOver = done === true;
    });
    await Promise.resolve();
    expect(isOver).toBe(false);
    await read(trio, value?.lease);
    await over;
    expect(isOver).toBe(true);
  });

  test.each(['leaves', 'is cut off'])('a caller that %s gives up what it did not read', async (how) => {
    await using trio = new StageTrio();
    const client = new AbortController();
    const call = trio.encode.encodeTiles(tilesRequest(['a']), client.signal);
    await call.next();
    expect(trio.encode.leasesOpen).toBe(1);
    if (how === 'leaves') {
      await call.return(undefined);
    } else {
      const end = call.next();
      client.abort(new Error('cut'));
      await expect(end).rejects.toThrow('cut');
    }
    expect([trio.held, trio.encode.leasesOpen]).toEqual([0, 0]);
  });

  test('texts become unit vectors', async () => {
    await using trio = new StageTrio();
    const inputs = [{ ids: [1, 2, 3] }, { ids: [4] }];
    const { embeddings } = await trio.encode.embedText({ context, model: 'fake', inputs }, never);
    for (const { values } of embeddings) expect(Math.hypot(...values)).toBeCloseTo(1, 5);
    expect(embeddings).toHaveLength(2);
  });

  test('what is still lent when it is unmounted is taken back', async () => {
    await using trio = new StageTrio();
    const { lease } = await trio.encoded(tilesRequest(['a']));
    await trio.encode[Symbol.asyncDispose]();
    await expect(read(trio, lease)).rejects.toMatchObject({ code: 'tensor_transfer_failed' });
  });
});

type Lease = wire.EncodeTilesResponse['lease'];

async function rows(trio: StageTrio, contentKeys: readonly string[]): Promise<Float32Array> {
  return read(trio, (await trio.encoded(tilesRequest(contentKeys))).lease);
}

async function read(trio: StageTrio, lease: Lease): Promise<Float32Array> {
  if (lease === undefined) throw new Error('no lease');
  const found = new Float32Array(Number(lease.bytes) / 4);
  const target = () => new Uint8Array(found.buffer);
  await trio.tensors.pull(lease, { layoutDigest: lease.layoutDigest, target }, never);
  return found;
}
