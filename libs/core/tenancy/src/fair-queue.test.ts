import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FairQueue, type Queued } from './fair-queue.js';
import type { Priority } from './tenant.js';

const item = (tenant: string, more: Partial<Queued> = {}): Queued => ({
  tenant,
  priority: 'normal',
  weight: 1,
  cost: 10,
  sinceMs: 0,
  ...more,
});
const everybody = () => true;

function takeAll(queue: FairQueue<Queued>, nowMs = 0): string[] {
  const order: string[] = [];
  for (let next = queue.take(everybody, nowMs); next !== undefined; next = queue.take(everybody, nowMs)) {
    order.push(next.tenant);
  }
  return order;
}

function filled(items: readonly Queued[], agingMs = 1000): FairQueue<Queued> {
  const queue = new FairQueue<Queued>({ agingMs });
  for (const each of items) queue.push(each);
  return queue;
}

describe('FairQueue', () => {
  test.each([
    { name: 'tenants take turns', items: ['a', 'a', 'a', 'b', 'b'].map((t) => item(t)), order: 'a b a b a' },
    {
      name: 'one with twice the weight gets two for one',
      items: ['a', 'a', 'a', 'a'].map((t) => item(t, { weight: 2 })).concat([item('b'), item('b')]),
      order: 'a b a a b a',
    },
    {
      name: 'large requests count for more',
      items: [item('a', { cost: 30 }), item('a', { cost: 30 }), ...['b', 'b', 'b', 'b'].map((t) => item(t))],
      order: 'a b b b a b',
    },
    {
      name: 'classes go before shares',
      items: [item('a', { priority: 'low' }), item('b'), item('c', { priority: 'high' }), item('b')],
      order: 'c b b a',
    },
    {
      name: 'a class that was passed over for long is due one request',
      items: ['a', 'a'].map((t) => item(t, { priority: 'low', sinceMs: -2000 })).concat([item('b'), item('b')]),
      order: 'a b b a',
    },
    { name: 'of equal ones, the longest waiting', items: [item('a', { sinceMs: 5 }), item('b')], order: 'b a' },
  ])('$name', ({ items, order }) => {
    expect(takeAll(filled(items)).join(' ')).toBe(order);
  });

  test('a tenant that was away has saved up nothing', () => {
    const queue = filled(Array.from({ length: 20 }, () => item('busy')));
    for (let i = 0; i < 10; i++) queue.take(everybody, 0);
    for (let i = 0; i < 10; i++) queue.push(item('back'));
    const next = takeAll(queue).slice(0, 6);
    expect(next.filter((tenant) => tenant === 'back')).toHaveLength(3);
  });

  test('what a request took in truth is what its tenant is charged', () => {
    const queue = filled(['a', 'a', 'a', 'b', 'b', 'b'].map((t) => item(t)));
    const first = queue.take(everybody, 0) as Queued;
    queue.correct(first, 0);
    expect(takeAll(queue).join(' ')).toBe('a b a b b');
  });

  test('who may not start is passed over, and loses nothing', () => {
    const queue = filled(['a', 'b', 'b', 'a'].map((t) => item(t)));
    expect(queue.take((tenant) => tenant !== 'a', 0)?.tenant).toBe('b');
    expect(takeAll(queue).join(' ')).toBe('a a b');
  });

  test('what is removed is not served', () => {
    const [gone, stays] = [item('a'), item('a')];
    const queue = filled([gone, stays]);
    queue.remove(gone);
    queue.remove(gone);
    expect(queue.size).toBe(1);
    expect(queue.take(everybody, 0)).toBe(stays);
  });

  const anyWeights = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 2, maxLength: 5 });
  const anyCost = fc.integer({ min: 1, max: 50 });

  test('shares of tenants that always wait differ from their weights by one request at most', () =>
    fc.assert(
      fc.property(anyWeights, fc.array(anyCost, { minLength: 50, maxLength: 200 }), (weights, costs) => {
        const queue = new FairQueue<Queued>({ agingMs: 1e9 });
        const served = new Map<string, number>();
        const push = (at: number, cost: number) => queue.push(item(`t${at}`, { weight: weights[at] as number, cost }));
        weights.forEach((_, at) => void push(at, costs[at] as number));
        for (const cost of costs) {
          const next = queue.take(everybody, 0) as Queued;
          served.set(next.tenant, (served.get(next.tenant) ?? 0) + next.cost);
          push(Number(next.tenant.slice(1)), cost);
        }
        // Goyal, Vin & Cheng 1996, theorem 1.
        const normalised = weights.map((weight, at) => (served.get(`t${at}`) ?? 0) / weight);
        const lightest = Math.min(...weights);
        expect(Math.max(...normalised) - Math.min(...normalised)).toBeLessThanOrEqual((2 * 50) / lightest);
      }),
    ));

  test('nobody waits for ever, whatever the others send', () =>
    fc.assert(
      fc.property(fc.array(fc.constantFrom<Priority>('high', 'normal'), { minLength: 60, maxLength: 60 }), (others) => {
        const agingMs = 10;
        const queue = new FairQueue<Queued>({ agingMs });
        const patient = item('patient', { priority: 'low', weight: 0.1 });
        queue.push(patient);
        let servedAt = -1;
        others.forEach((priority, at) => {
          // Each by a tenant that was never served, so that fair shares alone would always let it go first.
          queue.push(item(`t${at}`, { priority, weight: 100, sinceMs: at }));
          queue.push(item(`t${at}`, { priority, weight: 100, sinceMs: at }));
          if (queue.take(everybody, at) === patient) servedAt = at;
        });
        expect(servedAt).toBeGreaterThanOrEqual(0);
      }),
    ));
});
