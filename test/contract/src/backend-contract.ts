import { describe, expect, test } from '@jest/globals';
import type { Backend, DecodeRow, PrefillChunk, StepLogits } from '@tercet/engine';

const never = new AbortController().signal;
const slots = [0, 1, 2, 3];
const promptTokens = 40;

/**
 * What every backend must do, bit for bit: engines plan steps by it, reuse rows and hand them over by it. Each one has
 * four slots of 128 tokens and 60 known tokens at least, and says by its descriptor what else it can do.
 */
export function describeBackend(name: string, open: () => Backend): void {
  describe(`${name} keeps the contract of a backend`, () => {
    describeSteps(open);
    describeRows(open);
    describeKernels(open);
    describeMedia(open);
    describeEmbedding(open);
  });
}

function describeSteps(open: () => Backend): void {
  test('a prompt has the same logits and rows alone and in a step with other slots', async () => {
    await using backend = open();
    const { descriptor } = backend;
    const alone: Seen[] = [];
    for (const slot of slots) alone.push(await seen(backend, chunkOf(promptOf(promptTokens, slot), { slot })));
    await using other = open();
    const chunks = slots.map((slot) => chunkOf(promptOf(promptTokens, slot), { slot }));
    const together = copyOf(await run(other, { prefills: chunks }));
    for (const slot of slots) {
      expect(together.prefills[slot]).toEqual(alone[slot]?.logits);
      expect(rowsOf(other, { slot, toToken: promptTokens })).toEqual(alone[slot]?.rows);
    }
    expect(alone.map(({ logits }) => logits?.length)).toEqual(slots.map(() => descriptor.vocabSize));
    expect(alone[1]).not.toEqual(alone[0]);
  });

  test('decode rows have the same logits alone, beside each other and beside a prompt', async () => {
    await using backend = open();
    const firsts = slots.slice(1);
    const rows = firsts.map((slot) => ({ slot, position: promptTokens, tokenId: slot + 5 }));
    for (const slot of firsts) await run(backend, { prefills: [chunkOf(promptOf(promptTokens, slot), { slot })] });
    const alone: (Float32Array | undefined)[] = [];
    for (const row of rows) alone.push(copyOf(await run(backend, { decodes: [row] })).decodes[0]);
    expect(copyOf(await run(backend, { decodes: rows })).decodes).toEqual(alone);
    const prompt = chunkOf(promptOf(promptTokens), {});
    const mixed = copyOf(await run(backend, { prefills: [prompt], decodes: rows.toReversed() }));
    expect(mixed.decodes).toEqual(alone.toReversed());
    expect(mixed.prefills).toEqual([(await seen(backend, prompt)).logits]);
  });

  test('logits come for chunks that want them, in the order asked for', async () => {
    await using backend = open();
    const wants = [true, false, true];
    const chunks = wants.map((wantsLogits, slot) => ({ ...chunkOf(promptOf(9, slot), { slot }), wantsLogits }));
    const { prefills, decodes } = await run(backend, { prefills: chunks });
    expect(prefills.map((logits) => logits !== undefined)).toEqual(wants);
    expect(decodes).toEqual([]);
  });

  test('layers are told in ascending order, each when its rows are complete, the last one in any case', async () => {
    await using backend = open();
    const { layerCount } = backend.descriptor;
    const told: { done: number; rows: Uint8Array[] }[] = [];
    const prefills = slots.slice(2).map((slot) => chunkOf(promptOf(promptTokens, slot), { slot }));
    const step = { prefills, decodes: [], threads: 1 };
    const rows = () => slots.slice(2).flatMap((slot) => rowsOf(backend, { slot, toToken: promptTokens }));
    await backend.run({ ...step, onLayersReady: (done) => void told.push({ done, rows: rows() }) }, never);
    const whole = rows();
    const perSlot = layerCount * 2;
    for (const { done, rows } of told) {
      for (const slot of [0, 1]) {
        const [from, to] = [slot * perSlot, slot * perSlot + done * 2];
        expect(rows.slice(from, to)).toEqual(whole.slice(from, to));
      }
    }
    const counts = told.map(({ done }) => done);
    expect(counts).toEqual([...new Set(counts)].toSorted((a, b) => a - b));
    expect(counts.at(-1)).toBe(layerCount);
  });

  test('a step that is given up computes nothing, and the next one is as ever', async () => {
    await using backend = open();
    const chunk = chunkOf(promptOf(promptTokens), {});
    const before = await seen(backend, chunk);
    const other = { prefills: [chunkOf(promptOf(promptTokens, 3), {})], decodes: [], threads: 1 };
    await expect(backend.run(other, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(rowsOf(backend, { slot: 0, toToken: promptTokens })).toEqual(before.rows);
    expect(await seen(backend, chunk)).toEqual(before);
  });
}

function describeRows(open: () => Backend): void {
  test('rows are seen in place, each range where the one before it ends', async () => {
    await using backend = open();
    const { kvRowBytes } = backend.descriptor;
    const view = (fromToken: number, toToken: number, slot = 1) =>
      backend.kvView({ slot, layer: 0, part: 'v', fromToken, toToken });
    expect([view(3, 3).byteLength, view(3, 10).byteLength]).toEqual([0, 7 * kvRowBytes]);
    expect(view(10, 12).byteOffset - view(3, 10).byteOffset).toBe(7 * kvRowBytes);
    view(3, 4).fill(0x5a);
    expect(view(2, 5).subarray(kvRowBytes, 2 * kvRowBytes)).toEqual(new Uint8Array(kvRowBytes).fill(0x5a));
    const elsewhere = view(3, 4, 2).slice();
    view(3, 4).fill(0xa5);
    expect(view(3, 4, 2)).toEqual(elsewhere);
  });

  test('rows copied to another slot, or through memory to another backend, decode to the same logits', async () => {
    await using backend = open();
    await using other = open();
    expect(other.descriptor).toEqual(backend.descriptor);
    await run(backend, { prefills: [chunkOf(promptOf(promptTokens), { slot: 1 })] });
    await backend.copyKv(1, 3, promptTokens);
    for (const { range, view } of views(backend, { slot: 1, toToken: promptTokens })) {
      other.kvView({ ...range, slot: 2 }).set(view);
    }
    const row = { position: promptTokens, tokenId: 7 };
    const expected = copyOf(await run(backend, { decodes: [{ ...row, slot: 1 }] })).decodes;
    expect(copyOf(await run(backend, { decodes: [{ ...row, slot: 3 }] })).decodes).toEqual(expected);
    expect(copyOf(await run(other, { decodes: [{ ...row, slot: 2 }] })).decodes).toEqual(expected);
  });

  test('rows behind a position are not seen by it, and are written anew', async () => {
    await using backend = open();
    const whole = await seen(backend, chunkOf(promptOf(promptTokens), {}));
    const short = await seen(backend, chunkOf(promptOf(promptTokens - 8), {}));
    await using fresh = open();
    expect(short).toEqual(await seen(fresh, chunkOf(promptOf(promptTokens - 8), {})));
    expect(await seen(backend, chunkOf(promptOf(promptTokens), {}))).toEqual(whole);
  });
}

function describeKernels(open: () => Backend): void {
  test.each([
    { length: 40, cut: 1 },
    { length: 40, cut: 8 },
    { length: 40, cut: 21 },
    { length: 40, cut: 39 },
    { length: 90, cut: 24 },
    { length: 100, cut: 30 },
  ])('$length rows cut at $cut have the same bits wherever kernelOf says so', async ({ length, cut }) => {
    await using backend = open();
    const kernels = [length, cut, length - cut].map((rows) => backend.kernelOf(rows));
    const ids = promptOf(length);
    const whole = await seen(backend, chunkOf(ids, {}));
    await run(backend, { prefills: [{ ...chunkOf(ids, { slot: 1, end: cut }), wantsLogits: false }] });
    const head = rowsOf(backend, { slot: 1, toToken: cut });
    if (kernels[1] === kernels[0]) expect(head).toEqual(rowsOf(backend, { slot: 0, toToken: cut }));
    await backend.copyKv(0, 2, cut);
    const tail = await seen(backend, chunkOf(ids, { slot: 2, start: cut }));
    if (kernels[2] === kernels[0]) expect(tail).toEqual(whole);
  });

  test('text that was decoded row by row has the same bits when it is computed again at once', async () => {
    await using backend = open();
    const ids = promptOf(promptTokens);
    const text = [3, 9, 27, 5, 8, 13, 21, 34, 55, 2, 4];
    await run(backend, { prefills: [chunkOf(ids, { slot: 1 }), chunkOf(ids, { slot: 2 })] });
    let decoded: Float32Array | undefined;
    for (const [at, tokenId] of text.entries()) {
      const row = { slot: 1, position: promptTokens + at, tokenId };
      decoded = copyOf(await run(backend, { decodes: [row] })).decodes[0];
    }
    const all = Uint32Array.of(...ids, ...text);
    const replay = { ...chunkOf(all, { slot: 2, start: promptTokens }), rows: 'generated' } as const;
    expect((await seen(backend, replay)).logits).toEqual(decoded);
    const toToken = all.length;
    expect(rowsOf(backend, { slot: 2, toToken })).toEqual(rowsOf(backend, { slot: 1, toToken }));
  });
}

function describeMedia(open: () => Backend): void {
  test('media rows stand in for the embeddings of their tokens', async () => {
    await using backend = open();
    const { media } = backend.descriptor;
    if (media === undefined) return;
    const rowsOfContent = (content: number) =>
      Float32Array.from({ length: 6 * media.dim }, (_, i) => Math.sin(i + content));
    const withMedia = (tokenIds: Uint32Array, content: number) => {
      const spans = [{ start: 10, tokens: 6, rows: rowsOfContent(content) }];
      return seen(backend, { ...chunkOf(tokenIds, {}), media: spans });
    };
    const ids = promptOf(promptTokens);
    const one = await withMedia(ids, 1);
    expect(
      await withMedia(
        Uint32Array.from(ids, (id, at) => (at >= 10 && at < 16 ? 50 : id)),
        1,
      ),
    ).toEqual(one);
    expect((await withMedia(ids, 2)).logits).not.toEqual(one.logits);
    expect((await seen(backend, chunkOf(ids, {}))).logits).not.toEqual(one.logits);
  });

  test('tiles are encoded each as if it were alone; a model without vision refuses them', async () => {
    await using backend = open();
    const { media } = backend.descriptor;
    if (media === undefined) {
      const tiles = { pixels: new Float32Array(12), tileCount: 1, threads: 1 };
      await expect(backend.encodeTiles(tiles, never)).rejects.toMatchObject({ code: 'feature_unsupported' });
      return;
    }
    const { tileSize, tokensPerTile, dim } = media;
    const perTile = 3 * tileSize ** 2;
    const pixels = Float32Array.from({ length: 3 * perTile }, (_, i) => Math.sin(i * 0.37));
    const together = await backend.encodeTiles({ pixels, tileCount: 3, threads: 1 }, never);
    expect(together).toHaveLength(3 * tokensPerTile * dim);
    const perRows = tokensPerTile * dim;
    for (let tile = 0; tile < 3; tile++) {
      const own = pixels.subarray(tile * perTile, (tile + 1) * perTile);
      const alone = await backend.encodeTiles({ pixels: own, tileCount: 1, threads: 1 }, never);
      expect(alone).toEqual(together.slice(tile * perRows, (tile + 1) * perRows));
    }
    await expect(
      backend.encodeTiles({ pixels, tileCount: 3, threads: 1 }, AbortSignal.abort(new Error('gone'))),
    ).rejects.toThrow('gone');
  });
}

/** The part of the contract that a backend keeps which only embeds. */
export function describeEmbedding(open: () => Backend): void {
  test('a text is one unit vector, the same each time and another for another text; or it is refused', async () => {
    await using backend = open();
    const { embeddingDim } = backend.descriptor;
    const embed = (length: number, seed: number) => {
      return backend.embed({ tokenIds: promptOf(length, seed), threads: 1 }, never);
    };
    if (embeddingDim === undefined) {
      await expect(embed(9, 1)).rejects.toMatchObject({ code: 'feature_unsupported' });
      return;
    }
    const first = (await embed(9, 1)).slice();
    expect(first).toHaveLength(embeddingDim);
    expect(Math.hypot(...first)).toBeCloseTo(1, 5);
    expect((await embed(14, 2)).slice()).not.toEqual(first);
    expect(await embed(9, 1)).toEqual(first);
    const abort = AbortSignal.abort(new Error('gone'));
    await expect(backend.embed({ tokenIds: promptOf(9), threads: 1 }, abort)).rejects.toThrow('gone');
  });
}

interface Seen {
  readonly logits: Float32Array | undefined;
  readonly rows: Uint8Array[];
}

/** Computes a chunk alone. @returns copies of its logits and of all rows of its slot up to its end */
async function seen(backend: Backend, chunk: PrefillChunk): Promise<Seen> {
  const [logits] = copyOf(await run(backend, { prefills: [chunk] })).prefills;
  return { logits, rows: rowsOf(backend, { slot: chunk.slot, toToken: chunk.start + chunk.tokenIds.length }) };
}

function run(
  backend: Backend,
  { prefills = [], decodes = [] }: { prefills?: readonly PrefillChunk[]; decodes?: readonly DecodeRow[] },
): Promise<StepLogits> {
  return backend.run({ prefills, decodes, threads: 1 }, never);
}

/** The next step overwrites what the last one gave. */
function copyOf({ prefills, decodes }: StepLogits): StepLogits {
  return { prefills: prefills.map((logits) => logits?.slice()), decodes: decodes.map((logits) => logits.slice()) };
}

function views(backend: Backend, { slot, toToken }: { slot: number; toToken: number }) {
  const layers = Array.from({ length: backend.descriptor.layerCount }, (_, layer) => layer);
  return layers.flatMap((layer) =>
    (['k', 'v'] as const).map((part) => {
      const range = { slot, layer, part, fromToken: 0, toToken };
      return { range, view: backend.kvView(range) };
    }),
  );
}

function rowsOf(backend: Backend, range: { slot: number; toToken: number }): Uint8Array[] {
  return views(backend, range).map(({ view }) => view.slice());
}

function chunkOf(ids: Uint32Array, range: { slot?: number; start?: number; end?: number }) {
  const { slot = 0, start = 0, end = ids.length } = range;
  return { slot, start, tokenIds: ids.slice(start, end), media: [], rows: 'prompt', wantsLogits: true } as const;
}

function promptOf(length: number, seed = 1): Uint32Array {
  return Uint32Array.from({ length }, (_, i) => 1 + ((i * 7 + seed * 13 + ((i * seed) >> 3)) % 58));
}
