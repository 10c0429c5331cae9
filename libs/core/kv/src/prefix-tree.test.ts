import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type BlockDigest, blockDigestsOf, type PrefixListener } from './block-digest.js';
import { PrefixTree } from './prefix-tree.js';
import { blockTokens, type SlotId } from './slot-pool.js';

describe('PrefixTree', () => {
  test('a slot with nothing beyond the match is found first', () => {
    const tree = new PrefixTree();
    tree.extend(1 as SlotId, ['a', 'b', 'c'], 3);
    tree.extend(2 as SlotId, ['a', 'b'], 2);
    expect(tree.match(['a', 'b', 'x'], 9)).toEqual({ slot: 2, tokens: 32, whole: true });
    expect(tree.match(['a', 'y'], 9)).toMatchObject({ tokens: 16, whole: false });
    expect(tree.match(['x'], 9)).toBeUndefined();
  });

  test('any sequence of calls equals a plain list of labels per slot', () => {
    fc.assert(
      fc.property(fc.commands(treeCommands(), { maxCommands: 80 }), (commands) => {
        fc.modelRun(() => ({ model: new Map(), real: new PrefixTree() }), commands);
      }),
      { numRuns: 300 },
    );
  });

  test('its listener knows the digests of all prefixes that some slot holds, and hears of each change once', () => {
    fc.assert(
      fc.property(fc.commands(treeCommands(), { maxCommands: 80, size: 'max' }), (commands) => {
        const heard = new Set<BlockDigest>();
        const listener: PrefixListener = {
          stored(block) {
            expect(heard.has(block)).toBe(false);
            heard.add(block);
          },
          evicted: (block) => expect(heard.delete(block)).toBe(true),
        };
        const model: Model = new Map();
        fc.modelRun(() => ({ model, real: new PrefixTree(listener) }), commands);
        expect(heard).toEqual(new Set([...model.values()].flatMap((key) => blockDigestsOf(key))));
      }),
      { numRuns: 100 },
    );
  });
});

/** Registered labels of every slot. */
type Model = Map<SlotId, readonly string[]>;
type Command = fc.Command<Model, PrefixTree>;

function treeCommands(): fc.Arbitrary<Command>[] {
  const slot = fc.nat({ max: 4 }).map((n) => n as SlotId);
  const label = fc.constantFrom('a', 'b');
  const labels = fc.array(label, { minLength: 1, maxLength: 5 });
  const extend = ([id, more]: [SlotId, string[]]): Command => ({
    check: () => true,
    run(model, real) {
      const key = [...(model.get(id) ?? []), ...more];
      real.extend(id, key, key.length);
      model.set(id, key);
      expectSame(model, real);
    },
    toString: () => `extend(${id}, ${more})`,
  });
  const truncate = ([id, blocks]: [SlotId, number]): Command => ({
    check: () => true,
    run(model, real) {
      real.truncate(id, blocks);
      const left = (model.get(id) ?? []).slice(0, blocks);
      if (left.length === 0) model.delete(id);
      else model.set(id, left);
      expectSame(model, real);
    },
    toString: () => `truncate(${id}, ${blocks})`,
  });
  const match = ([key, blocksMax]: [string[], number]): Command => ({
    check: () => true,
    run(model, real) {
      const best = Math.max(0, ...[...model.values()].map((stored) => sharedBlocks(stored, key, blocksMax)));
      const found = real.match(key, blocksMax);
      if (best === 0) {
        expect(found).toBeUndefined();
        return;
      }
      const stored = model.get(found?.slot as SlotId) ?? [];
      expect(found?.tokens).toBe(best * blockTokens);
      expect(sharedBlocks(stored, key, blocksMax)).toBe(best);
      const whole = [...model.values()].some((s) => s.length === best && sharedBlocks(s, key, blocksMax) === best);
      expect(found?.whole).toBe(whole);
      if (whole) expect(stored.length).toBe(best);
    },
    toString: () => `match(${key}, ${blocksMax})`,
  });
  return [
    fc.tuple(slot, labels).map(extend),
    fc.tuple(slot, fc.nat({ max: 4 })).map(truncate),
    fc.tuple(labels, fc.nat({ max: 6 })).map(match),
  ];
}

function expectSame(model: Model, real: PrefixTree): void {
  const prefixes = new Set(
    [...model.values()].flatMap((stored) => stored.map((_, i) => stored.slice(0, i + 1).join())),
  );
  expect(real.nodeCount).toBe(prefixes.size);
  for (const [id, stored] of model) {
    expect(real.tokensOf(id)).toBe(stored.length * blockTokens);
    const elsewhere = [...model].some(
      ([other, labels]) => other !== id && sharedBlocks(labels, stored, 99) === stored.length,
    );
    expect(real.isStoredElsewhere(id)).toBe(elsewhere);
  }
}

function sharedBlocks(a: readonly string[], b: readonly string[], max: number): number {
  let shared = 0;
  while (shared < Math.min(a.length, b.length, max) && a[shared] === b[shared]) shared++;
  return shared;
}
