import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Bitmap } from './bitmap.js';
import { SlotSet } from './slot-set.js';

const anySlots = fc.array(fc.nat(400), { maxLength: 200 });

function bitmapOf(slots: readonly number[]): Bitmap {
  const bitmap = new Bitmap();
  for (const slot of slots) bitmap.add(slot);
  return bitmap;
}

function slotsOf(bitmap: Bitmap): number[] {
  const slots: number[] = [];
  bitmap.each((slot) => slots.push(slot));
  return slots;
}

const sorted = (slots: Iterable<number>) => [...slots].toSorted((a, b) => a - b);

describe('bitmap', () => {
  test('it combines with others as sets do', () =>
    fc.assert(
      fc.property(anySlots, anySlots, (a, b) => {
        const [setA, setB] = [new Set(a), new Set(b)];
        expect(slotsOf(bitmapOf(a))).toEqual(sorted(setA));
        expect(slotsOf(bitmapOf(a).intersect(bitmapOf(b)))).toEqual(sorted(setA).filter((slot) => setB.has(slot)));
        expect(slotsOf(bitmapOf(a).unite(bitmapOf(b)))).toEqual(sorted(new Set([...a, ...b])));
        expect(slotsOf(bitmapOf(a).subtract(bitmapOf(b)))).toEqual(sorted(setA).filter((slot) => !setB.has(slot)));
        expect(bitmapOf(a).count()).toBe(setA.size);
      }),
    ));

  test('adding and deleting say whether they changed anything', () => {
    const bitmap = new Bitmap();
    expect([bitmap.add(31), bitmap.add(31), bitmap.delete(31), bitmap.delete(31), bitmap.delete(9999)]).toEqual([
      true,
      false,
      true,
      false,
      false,
    ]);
  });
});

describe('slot set', () => {
  test('it holds what a set would, on both sides of the size at which its form changes', () => {
    const set = new SlotSet();
    const model = new Set<number>();
    const check = () => {
      const out = new Bitmap();
      set.addTo(out);
      expect(slotsOf(out)).toEqual(sorted(model));
      expect(set.size).toBe(model.size);
    };
    for (let i = 0; i < 5000; i++) {
      const slot = (i * 7919) % 6007;
      set.add(slot);
      model.add(slot);
      if (i % 3 === 0) {
        set.delete((i * 31) % 6007);
        model.delete((i * 31) % 6007);
      }
      if (i % 500 === 0) check();
    }
    for (let slot = 0; slot < 6007; slot++) {
      set.add(slot);
      model.add(slot);
    }
    check();
    for (let slot = 0; slot < 6007; slot += 2) {
      set.delete(slot);
      model.delete(slot);
    }
    check();
  });
});
