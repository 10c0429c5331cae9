import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BoundedQueue } from './bounded-queue.js';

const never = new AbortController().signal;

describe('BoundedQueue', () => {
  test('a full queue says so and keeps what it has', () => {
    const queue = new BoundedQueue<number>(2);
    expect([1, 2, 3].map((n) => queue.offer(n).kind)).toEqual(['taken', 'taken', 'full']);
    expect([queue.tryTake(), queue.tryTake(), queue.tryTake()]).toEqual([1, 2, undefined]);
  });

  test('a waiting consumer gets the item before the queue does', async () => {
    const queue = new BoundedQueue<number>(1);
    const taken = queue.take(never);
    expect(queue.offer(7)).toEqual({ kind: 'taken' });
    expect(await taken).toBe(7);
    expect(queue.size).toBe(0);
  });

  test('an aborted wait rejects with the reason and leaves the queue usable', async () => {
    const queue = new BoundedQueue<number>(1);
    const abort = new AbortController();
    const taken = queue.take(abort.signal);
    abort.abort(new Error('stop'));
    await expect(taken).rejects.toThrow('stop');
    queue.offer(1);
    expect(await queue.take(never)).toBe(1);
  });

  test('close wakes the consumer after the last item', async () => {
    const queue = new BoundedQueue<number>(4);
    queue.offer(1);
    queue.close();
    expect(await queue.take(never)).toBe(1);
    expect(await queue.take(never)).toBeUndefined();
  });

  test('any sequence of offers and takes equals a plain bounded list', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.array(fc.option(fc.nat())), (capacity, operations) => {
        const queue = new BoundedQueue<number>(capacity);
        const model: number[] = [];
        for (const item of operations) {
          if (item === null) expect(queue.tryTake()).toBe(model.shift());
          else if (model.length < capacity) {
            expect(queue.offer(item).kind).toBe('taken');
            model.push(item);
          } else expect(queue.offer(item).kind).toBe('full');
          expect(queue.size).toBe(model.length);
        }
      }),
    );
  });
});
