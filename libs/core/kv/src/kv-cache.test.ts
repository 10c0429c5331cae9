import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { KvCache, type KvCacheOptions, type KvCopy } from './kv-cache.js';
import { prefixKeyOf } from './prefix-key.js';
import { blocksFor, type SlotId } from './slot-pool.js';

const room: KvCacheOptions = { slotCount: 3, slotTokens: 128, blocksTotal: 12, reuseGrainTokens: 16 };

describe('KvCache', () => {
  test('a finished prompt is taken over by one that begins with all of it', () => {
    const cache = new KvCache(room);
    const slot = runPrompt(cache, 'system prompt, first question', 48);
    expect(cache.idleBlocks).toBe(3);
    expect(admit(cache, 'system prompt, first question', 60)).toEqual({ kind: 'admitted', slot, cachedTokens: 48 });
    expect([cache.pinnedBlocks, cache.idleBlocks]).toEqual([4, 0]);
  });

  test('a longer stored prompt stays, and its common rows are copied', () => {
    const cache = new KvCache(room);
    const fromSlot = runPrompt(cache, 'a', 64);
    const admission = admit(cache, 'a', 40);
    expect(admission).toMatchObject({ cachedTokens: 32, copy: { fromSlot, tokens: 32 } });
    expect(cache.idleBlocks).toBe(4);
  });

  test('the last token of a prompt is always computed', () => {
    const cache = new KvCache(room);
    runPrompt(cache, 'a', 32);
    expect(admit(cache, 'a', 32)).toMatchObject({ cachedTokens: 16 });
  });

  test('rows of a running prompt are copied as soon as they are registered', () => {
    const cache = new KvCache(room);
    const first = admit(cache, 'a', 64);
    if (first.kind !== 'admitted') throw new Error('full');
    expect(admit(cache, 'a', 20)).toMatchObject({ cachedTokens: 0 });
    cache.register(first.slot, keyOf('a', 64), 20);
    expect(admit(cache, 'a', 20)).toMatchObject({ cachedTokens: 16, copy: { fromSlot: first.slot } });
  });

  test('the idle slot that was used the longest ago makes room', () => {
    const cache = new KvCache(room);
    for (const text of ['a', 'b', 'c']) runPrompt(cache, text, 64);
    admit(cache, 'a', 80);
    expect(['a', 'b', 'c'].map((text) => hit(cache, text))).toEqual([64, 0, 64]);
  });

  test('without room for a copy the stored slot itself is taken and cut', () => {
    const cache = new KvCache({ ...room, slotCount: 1 });
    const slot = runPrompt(cache, 'a', 64);
    expect(admit(cache, 'a', 40)).toEqual({ kind: 'admitted', slot, cachedTokens: 32 });
    expect([cache.pinnedBlocks, cache.idleBlocks]).toEqual([3, 0]);
  });

  test('a full cache evicts nothing for what would not fit anyway', () => {
    const cache = new KvCache(room);
    runPrompt(cache, 'a', 64);
    admit(cache, 'b', 100);
    expect(admit(cache, 'c', 96)).toEqual({ kind: 'full', missingBlocks: 1, missingSlots: 0 });
    expect(hit(cache, 'a')).toBe(64);
  });

  test('a prefix that another slot holds is not kept twice', () => {
    const cache = new KvCache(room);
    const both = [admit(cache, 'a', 48), admit(cache, 'a', 48)];
    for (const admission of both) {
      if (admission.kind !== 'admitted') throw new Error('full');
      cache.register(admission.slot, keyOf('a', 48), 48);
      cache.retire(admission.slot);
    }
    expect([cache.idleBlocks, hit(cache, 'a')]).toEqual([3, 48]);
  });

  test.each([
    { grain: 0, cached: 0 },
    { grain: 16, cached: 80 },
    { grain: 32, cached: 64 },
    { grain: 128, cached: 0 },
  ])('a grain of $grain reuses $cached of 90 tokens', ({ grain, cached }) => {
    const cache = new KvCache({ ...room, reuseGrainTokens: grain });
    runPrompt(cache, 'a', 90);
    expect(admit(cache, 'a', 90)).toMatchObject({ kind: 'admitted', cachedTokens: cached });
  });

  test('no more is reused than the prompt may reuse, and the rest stays stored', () => {
    const cache = new KvCache(room);
    const slot = runPrompt(cache, 'a', 90);
    const demand = { key: keyOf('a', 90), promptTokens: 90, reserveTokens: 90 };
    const reusable = (storedTokens: number) => storedTokens - 48;
    expect(cache.tryAdmit({ ...demand, reusable })).toMatchObject({ cachedTokens: 32, copy: { fromSlot: slot } });
    expect(hit(cache, 'a')).toBe(80);
    expect(cache.tryAdmit({ ...demand, reusable: () => 0 })).not.toHaveProperty('copy');
  });

  test('whatever comes and goes, reused rows are those of the prompt and every block is accounted for', () => {
    fc.assert(
      fc.property(fc.commands(cacheCommands(), { maxCommands: 100 }), fc.constantFrom(0, 16, 32), (commands, grain) => {
        const options = { slotCount: 4, slotTokens: 128, blocksTotal: 15, reuseGrainTokens: grain };
        const real = new KvCache(options);
        fc.modelRun(() => ({ model: { options, memory: new Map(), running: new Map() }, real }), commands);
      }),
      { numRuns: 300 },
    );
  });
});

/** What stands in memory, and what runs. A row is the text up to its token, so equal rows mean equal prefixes. */
interface Model {
  readonly options: KvCacheOptions;
  readonly memory: Map<SlotId, string[]>;
  readonly running: Map<SlotId, { text: string; promptTokens: number; reserveTokens: number; computed: number }>;
}
type Command = fc.Command<Model, KvCache>;

function cacheCommands(): fc.Arbitrary<Command>[] {
  const text = fc.constantFrom('a', 'b', 'c:x', 'c:y');
  const tokens = fc.integer({ min: 1, max: 120 });
  const admitCommand = ([name, promptTokens, more]: [string, number, number]): Command => ({
    check: () => true,
    run(model, real) {
      const reserveTokens = Math.min(promptTokens + more, model.options.slotTokens);
      const demand = { key: keyOf(name, promptTokens), promptTokens, reserveTokens };
      const missing = pinned(model) + blocksFor(reserveTokens) - model.options.blocksTotal;
      const expected = real.cachedTokensFor(demand);
      const admission = real.tryAdmit(demand);
      const fits = missing <= 0 && model.running.size < model.options.slotCount;
      expect(admission.kind).toBe(fits ? 'admitted' : 'full');
      if (admission.kind === 'admitted') {
        const { slot, cachedTokens, copy } = admission;
        expect(model.running.has(slot)).toBe(false);
        expect([cachedTokens, cachedTokens < promptTokens]).toEqual([expected, true]);
        const memory = model.memory.get(slot) ?? [];
        if (copy !== undefined) memory.splice(0, copy.tokens, ...rowsIn(model, copy));
        expect(memory.slice(0, cachedTokens)).toEqual(rowsOf(name, cachedTokens));
        model.memory.set(slot, memory);
        model.running.set(slot, { text: name, promptTokens, reserveTokens, computed: cachedTokens });
      }
      expectSame(model, real);
    },
    toString: () => `admit(${name}, ${promptTokens}, ${more})`,
  });
  const compute = ([pick, n]: [number, number]): Command => ({
    check: (model) => model.running.size > 0,
    run(model, real) {
      const [slot, sequence] = pickRunning(model, pick);
      const computed = Math.min(sequence.promptTokens, sequence.computed + n);
      const rows = rowsOf(sequence.text, computed);
      const memory = model.memory.get(slot) ?? [];
      for (let i = sequence.computed; i < computed; i++) memory[i] = rows[i] as string;
      model.running.set(slot, { ...sequence, computed });
      real.register(slot, keyOf(sequence.text, sequence.promptTokens), computed);
      expectSame(model, real);
    },
    toString: () => `compute(${pick}, ${n})`,
  });
  const grow = ([pick, n]: [number, number]): Command => ({
    check: (model) => model.running.size > 0,
    run(model, real) {
      const [slot, sequence] = pickRunning(model, pick);
      const reserveTokens = Math.min(sequence.reserveTokens + n, model.options.slotTokens);
      const missing =
        pinned(model) - blocksFor(sequence.reserveTokens) + blocksFor(reserveTokens) - model.options.blocksTotal;
      expect(real.tryGrow(slot, reserveTokens).kind).toBe(missing > 0 ? 'full' : 'grown');
      if (missing <= 0) model.running.set(slot, { ...sequence, reserveTokens });
      expectSame(model, real);
    },
    toString: () => `grow(${pick}, ${n})`,
  });
  const retire = (pick: number): Command => ({
    check: (model) => model.running.size > 0,
    run(model, real) {
      const [slot] = pickRunning(model, pick);
      real.retire(slot);
      model.running.delete(slot);
      expectSame(model, real);
    },
    toString: () => `retire(${pick})`,
  });
  return [
    fc.tuple(text, tokens, fc.nat({ max: 20 })).map(admitCommand),
    fc.tuple(fc.nat(), tokens).map(compute),
    fc.tuple(fc.nat(), fc.nat({ max: 40 })).map(grow),
    fc.nat().map(retire),
  ];
}

function expectSame(model: Model, real: KvCache): void {
  expect(real.pinnedBlocks).toBe(pinned(model));
  expect(real.availableSlots).toBe(model.options.slotCount - model.running.size);
  expect(real.pinnedBlocks + real.idleBlocks).toBeLessThanOrEqual(real.blocksTotal);
}

function rowsIn(model: Model, { fromSlot, tokens }: KvCopy): string[] {
  return (model.memory.get(fromSlot) ?? []).slice(0, tokens);
}

function pinned(model: Model): number {
  return [...model.running.values()].reduce((sum, { reserveTokens }) => sum + blocksFor(reserveTokens), 0);
}

function pickRunning(model: Model, pick: number) {
  return [...model.running][pick % model.running.size] as [SlotId, NonNullable<ReturnType<Model['running']['get']>>];
}

/** Texts with the same letter before ':' share their first 40 tokens. */
function tokensOf(text: string, length: number): Uint32Array {
  const [head = '', tail = ''] = text.split(':');
  const codeOf = (part: string) => [...part].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 0);
  return Uint32Array.from({ length }, (_, i) => (i < 40 ? codeOf(head) : codeOf(head + tail)) * 1000 + i);
}

function rowsOf(text: string, tokens: number): string[] {
  const tokenIds = tokensOf(text, tokens);
  return Array.from({ length: tokens }, (_, i) => tokenIds.subarray(0, i + 1).join());
}

function keyOf(text: string, tokens: number) {
  return prefixKeyOf({ tokenIds: tokensOf(text, tokens), media: [], kernelAt: () => 0, salt: '' });
}

function admit(cache: KvCache, text: string, promptTokens: number) {
  return cache.tryAdmit({ key: keyOf(text, promptTokens), promptTokens, reserveTokens: promptTokens });
}

function hit(cache: KvCache, text: string): number {
  return cache.cachedTokensFor({ key: keyOf(text, 120), promptTokens: 120, reserveTokens: 120 });
}

function runPrompt(cache: KvCache, text: string, promptTokens: number): SlotId {
  const admission = admit(cache, text, promptTokens);
  if (admission.kind !== 'admitted') throw new Error('full');
  cache.register(admission.slot, keyOf(text, promptTokens), promptTokens);
  cache.retire(admission.slot);
  return admission.slot;
}
