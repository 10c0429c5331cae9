import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { blocksFor, type SlotId, SlotPool } from './slot-pool.js';

describe('SlotPool', () => {
  test('a pool without room says how many blocks and slots are missing', () => {
    const pool = new SlotPool({ slotCount: 2, slotTokens: 64, blocksTotal: 5 });
    expect(pool.tryAdmit(33)).toEqual({ kind: 'admitted', slot: 0 });
    expect(pool.tryAdmit(64)).toEqual({ kind: 'full', missingBlocks: 2, missingSlots: 0 });
    expect(pool.tryAdmit(32)).toEqual({ kind: 'admitted', slot: 1 });
    expect(pool.tryAdmit(1)).toEqual({ kind: 'full', missingBlocks: 1, missingSlots: 1 });
  });

  test('a slot grows block by block until the budget ends, and shrinks', () => {
    const pool = new SlotPool({ slotCount: 2, slotTokens: 64, blocksTotal: 3 });
    const slot = admitted(pool, 16);
    expect(pool.tryResize(slot, 48)).toEqual({ kind: 'resized' });
    expect(pool.tryResize(slot, 49)).toEqual({ kind: 'full', missingBlocks: 1, missingSlots: 0 });
    expect(pool.tryResize(slot, 17)).toEqual({ kind: 'resized' });
    expect([pool.blocksOf(slot), pool.blocksUsed]).toEqual([2, 2]);
  });

  test('freeing a slot twice is a bug', () => {
    const pool = new SlotPool({ slotCount: 1, slotTokens: 16, blocksTotal: 1 });
    const slot = admitted(pool, 1);
    pool.free(slot);
    expect(() => pool.free(slot)).toThrow('slot is not taken');
  });

  test('any sequence of calls equals a plain list of slots', () => {
    fc.assert(
      fc.property(fc.commands(poolCommands(), { maxCommands: 60 }), (commands) => {
        const options = { slotCount: 4, slotTokens: 96, blocksTotal: 13 };
        fc.modelRun(() => ({ model: { ...options, taken: new Map() }, real: new SlotPool(options) }), commands);
      }),
    );
  });
});

interface Model {
  readonly slotCount: number;
  readonly blocksTotal: number;
  /** Blocks of each taken slot. */
  readonly taken: Map<SlotId, number>;
}

type Command = fc.Command<Model, SlotPool>;

function poolCommands(): fc.Arbitrary<Command>[] {
  const tokens = fc.integer({ min: 1, max: 96 });
  const admit = (n: number): Command => ({
    check: () => true,
    run(model, real) {
      const missing = usedBlocks(model) + blocksFor(n) - model.blocksTotal;
      const admission = real.tryAdmit(n);
      if (missing > 0 || model.taken.size === model.slotCount) {
        const missingSlots = model.taken.size === model.slotCount ? 1 : 0;
        expect(admission).toEqual({ kind: 'full', missingBlocks: Math.max(0, missing), missingSlots });
      } else {
        if (admission.kind !== 'admitted') throw new Error('not admitted');
        expect(model.taken.has(admission.slot)).toBe(false);
        model.taken.set(admission.slot, blocksFor(n));
      }
      expectSame(model, real);
    },
    toString: () => `admit(${n})`,
  });
  const resize = ([pick, n]: [number, number]): Command => ({
    check: (model) => model.taken.size > 0,
    run(model, real) {
      const slot = pickSlot(model, pick);
      const missing = usedBlocks(model) - (model.taken.get(slot) ?? 0) + blocksFor(n) - model.blocksTotal;
      const resized = real.tryResize(slot, n);
      if (missing > 0) expect(resized).toEqual({ kind: 'full', missingBlocks: missing, missingSlots: 0 });
      else {
        expect(resized).toEqual({ kind: 'resized' });
        model.taken.set(slot, blocksFor(n));
      }
      expectSame(model, real);
    },
    toString: () => `resize(${pick}, ${n})`,
  });
  const free = (pick: number): Command => ({
    check: (model) => model.taken.size > 0,
    run(model, real) {
      const slot = pickSlot(model, pick);
      real.free(slot);
      model.taken.delete(slot);
      expectSame(model, real);
    },
    toString: () => `free(${pick})`,
  });
  return [tokens.map(admit), fc.tuple(fc.nat(), tokens).map(resize), fc.nat().map(free)];
}

function expectSame(model: Model, real: SlotPool): void {
  expect(real.blocksUsed).toBe(usedBlocks(model));
  expect(real.freeSlotCount).toBe(model.slotCount - model.taken.size);
  for (const [slot, blocks] of model.taken) expect(real.blocksOf(slot)).toBe(blocks);
}

function usedBlocks(model: Model): number {
  return [...model.taken.values()].reduce((sum, blocks) => sum + blocks, 0);
}

function pickSlot(model: Model, pick: number): SlotId {
  return [...model.taken.keys()][pick % model.taken.size] as SlotId;
}

function admitted(pool: SlotPool, tokens: number): SlotId {
  const admission = pool.tryAdmit(tokens);
  if (admission.kind !== 'admitted') throw new Error('not admitted');
  return admission.slot;
}
