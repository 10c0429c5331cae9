import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Outbox } from './outbox.js';
import type { TopicName } from './topics.js';

interface Item {
  readonly topic: TopicName;
  readonly id: number;
}

describe('records that wait to be written', () => {
  test.each<{ name: string; before: TopicName[]; next: TopicName; left: number[] | 'full' }>([
    { name: 'there is room', before: ['load'], next: 'jobs', left: [0, 1] },
    { name: 'the oldest load report gives way', before: ['jobs', 'load', 'load'], next: 'jobs', left: [0, 2, 3] },
    { name: 'a load report gives way to a newer one', before: ['load', 'jobs', 'jobs'], next: 'load', left: [1, 2, 3] },
    { name: 'a job is refused when only jobs wait', before: ['jobs', 'jobs', 'jobs'], next: 'jobs', left: 'full' },
    {
      name: 'a report is refused when only jobs wait',
      before: ['jobs', 'cache', 'jobs'],
      next: 'load',
      left: 'full',
    },
  ])('$name', ({ before, next, left }) => {
    const box = new Outbox<Item>(3);
    for (const [id, topic] of before.entries()) box.offer({ topic, id });
    const offered = box.offer({ topic: next, id: before.length });
    if (left === 'full') expect(offered).toEqual({ kind: 'full', capacity: 3 });
    else expect(box.take(10).map(({ id }) => id)).toEqual(left);
  });

  test('what could not be written comes first again, in its order', () => {
    const box = new Outbox<Item>(4);
    for (let id = 0; id < 3; id++) box.offer({ topic: 'jobs', id });
    const taken = box.take(2);
    box.offer({ topic: 'load', id: 3 });
    expect(box.giveBack(taken)).toEqual([]);
    expect(box.take(10).map(({ id }) => id)).toEqual([0, 1, 2, 3]);
  });

  test('every record is written, dropped with notice or refused, and jobs are never dropped', () => {
    const topic = fc.constantFrom<TopicName>('load', 'jobs', 'roles');
    const step = fc.oneof(
      fc.record({ kind: fc.constant('offer' as const), topic }),
      fc.record({ kind: fc.constant('take' as const), fails: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 6 }), (steps, capacity) => {
        const box = new Outbox<Item>(capacity);
        const ends = new Map<number, string>();
        let next = 0;
        for (const step of steps) {
          if (step.kind === 'take') {
            const taken = box.take(2);
            const gone = step.fails ? box.giveBack(taken) : [];
            if (!step.fails) for (const { id } of taken) ends.set(id, 'written');
            expect(gone).toEqual([]);
            continue;
          }
          const item = { topic: step.topic, id: next++ };
          const offered = box.offer(item);
          if (offered.kind === 'full') ends.set(item.id, 'refused');
          if (offered.kind !== 'taken for others') continue;
          for (const dropped of offered.dropped) {
            expect(dropped.topic).toBe('load');
            ends.set(dropped.id, 'dropped');
          }
        }
        expect(box.size).toBeLessThanOrEqual(capacity);
        const left = box.take(capacity);
        expect(left.map(({ id }) => id)).toEqual(left.map(({ id }) => id).toSorted((a, b) => a - b));
        expect(ends.size + left.length).toBe(next);
      }),
    );
  });
});
