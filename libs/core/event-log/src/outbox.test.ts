import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Outbox } from './outbox.js';
import { type TopicName, topics } from './topics.js';

interface Item {
  readonly topic: TopicName;
  readonly id: number;
  readonly bytes: Uint8Array;
}

const limits = { recordsMax: 3, bytesMax: 100 };
const itemOf = (topic: TopicName, id: number, bytes = 10): Item => ({ topic, id, bytes: new Uint8Array(bytes) });
const idsOf = (items: readonly Item[]) => items.map(({ id }) => id);

describe('records that wait to be written', () => {
  test.each<{ name: string; before: TopicName[]; next: TopicName; left: number[] | 'full' }>([
    { name: 'there is room', before: ['load'], next: 'jobs', left: [0, 1] },
    { name: 'the oldest load report gives way', before: ['jobs', 'load', 'load'], next: 'jobs', left: [0, 2, 3] },
    { name: 'a load report gives way to a newer one', before: ['load', 'jobs', 'jobs'], next: 'load', left: [1, 2, 3] },
    { name: 'a job is refused when only jobs wait', before: ['jobs', 'jobs', 'jobs'], next: 'jobs', left: 'full' },
    { name: 'a report is refused when only jobs wait', before: ['jobs', 'cache', 'jobs'], next: 'load', left: 'full' },
  ])('$name', ({ before, next, left }) => {
    const box = new Outbox<Item>(limits);
    for (const [id, topic] of before.entries()) box.offer(itemOf(topic, id));
    const offered = box.offer(itemOf(next, before.length));
    if (left === 'full') expect(offered).toEqual({ kind: 'full' });
    else expect(idsOf(box.take(10))).toEqual(left);
  });

  test('a large record takes the room of several reports, and nothing is dropped when that is not enough', () => {
    const box = new Outbox<Item>({ recordsMax: 10, bytesMax: 100 });
    for (let id = 0; id < 5; id++) box.offer(itemOf('load', id, 20));
    expect(box.offer(itemOf('jobs', 5, 101))).toEqual({ kind: 'full' });
    expect(box.offer(itemOf('jobs', 6, 30))).toMatchObject({ dropped: [{ id: 0 }, { id: 1 }] });
    expect(idsOf(box.take(10))).toEqual([2, 3, 4, 6]);
  });

  test('what is being written takes room and is not dropped', () => {
    const box = new Outbox<Item>(limits);
    for (let id = 0; id < 3; id++) box.offer(itemOf('load', id));
    const taken = box.take(3);
    expect(box.offer(itemOf('load', 3))).toEqual({ kind: 'full' });
    box.putBack(taken);
    expect(box.offer(itemOf('load', 4))).toMatchObject({ dropped: [{ id: 0 }] });
  });

  test('every record is written, removed, dropped or refused, in order; only reports are dropped', () => {
    const topic = fc.constantFrom<TopicName>('load', 'jobs', 'roles');
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('offer' as const), topic, bytes: fc.nat(40) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('take' as const), fails: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), before: fc.nat(60) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 6 }), (steps, recordsMax) => {
        const box = new Outbox<Item>({ recordsMax, bytesMax: 100 });
        const ended: number[] = [];
        let next = 0;
        for (const one of steps) {
          if (one.kind === 'remove') ended.push(...idsOf(box.remove(({ id }) => id < one.before)));
          else if (one.kind === 'take') {
            const taken = box.take(2);
            if (one.fails) box.putBack(taken);
            else {
              box.leave(taken);
              ended.push(...idsOf(taken));
            }
          } else {
            const item = itemOf(one.topic, next++, one.bytes);
            const offered = box.offer(item);
            if (offered.kind === 'full') ended.push(item.id);
            else {
              expect(offered.dropped.every((lost) => topics[lost.topic].whenFull === 'drop oldest')).toBe(true);
              ended.push(...idsOf(offered.dropped));
            }
          }
          expect(box.size).toBeLessThanOrEqual(recordsMax);
        }
        const left = box.take(recordsMax);
        expect(left.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThanOrEqual(100);
        expect(idsOf(left)).toEqual(idsOf(left).toSorted((a, b) => a - b));
        expect([...ended, ...idsOf(left)].toSorted((a, b) => a - b)).toEqual(Array.from({ length: next }, (_, i) => i));
      }),
    );
  });
});
