import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { wire } from '@tercet/contracts';
import type { EventBody } from './event-log.js';
import { RepetitionFilter, readEvent } from './reading.js';
import { eventBytesMax, Sealer } from './sealer.js';
import { partOf, topics } from './topics.js';

const body: EventBody = { $case: 'job', value: { jobId: 'batch_1', tenant: 'a' } };
const sealer = () => new Sealer('gateway-1', new ManualClock(1234));

describe('a record', () => {
  test('is read as it was sealed, with producer, sequence and time', () => {
    const sealed = sealer();
    sealed.seal({ key: 'a', body });
    expect(readEvent(sealed.seal({ key: 'a', body, traceparent: '00-1-2-01' }))).toEqual({
      kind: 'event',
      event: { version: 1, producerId: 'gateway-1', sequence: 2n, unixMs: 1234n, traceparent: '00-1-2-01', body },
    });
  });

  test('that is too large is refused, and takes no sequence number', () => {
    const sealed = sealer();
    const large: EventBody = { $case: 'job', value: { jobId: 'x'.repeat(eventBytesMax), tenant: '' } };
    expect(() => sealed.seal({ key: 'a', body: large })).toThrow('the record of the event log cannot be read');
    expect(readEvent(sealed.seal({ key: 'a', body }))).toMatchObject({ event: { sequence: 1n } });
  });

  const whole = sealer().seal({ key: 'a', body });
  const event = wire.Event.decode(whole);
  test.each([
    { name: 'is cut off', value: whole.slice(0, whole.length - 3), reason: 'malformed' },
    { name: 'is text', value: new TextEncoder().encode('{"job":1}'), reason: 'malformed' },
    { name: 'is empty', value: new Uint8Array(), reason: 'malformed' },
    { name: 'has a version of tomorrow', value: encoded({ ...event, version: 2 }), reason: 'unknown version' },
    { name: 'has a body of tomorrow', value: encoded({ ...event, body: undefined }), reason: 'unknown body' },
  ])('that $name is unreadable', ({ value, reason }) => {
    expect(readEvent(value)).toEqual({ kind: 'unreadable', reason });
  });

  test('that was written twice is told, in each part by itself', () => {
    const filter = new RepetitionFilter();
    const numbered = (sequence: bigint, producerId = 'p') => ({ ...event, producerId, sequence });
    const seen = [1n, 2n, 2n, 1n, 4n, 3n].map((sequence) => filter.isRepeated('jobs/0', numbered(sequence)));
    expect(seen).toEqual([false, false, true, true, false, true]);
    expect(filter.isRepeated('jobs/1', numbered(1n))).toBe(false);
    expect(filter.isRepeated('jobs/0', numbered(1n, 'q'))).toBe(false);
  });
});

test('keys spread over the parts of a topic, each always in the same one', () => {
  const parts = Array.from({ length: 400 }, (_, i) => partOf('load', `pod-${i}`));
  expect(new Set(parts).size).toBe(topics.load.partitions);
  expect(parts).toEqual(Array.from({ length: 400 }, (_, i) => partOf('load', `pod-${i}`)));
});

function encoded(event: wire.Event): Uint8Array {
  return wire.Event.encode(event).finish();
}
