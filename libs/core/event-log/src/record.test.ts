import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '@tercet/base';
import { wire } from '@tercet/contracts';
import fc from 'fast-check';
import type { EventBody } from './event-log.js';
import { openRecord, RecordSealer, recordBytesMax } from './record.js';
import { partitionOf } from './topics.js';

const body: EventBody = { $case: 'job', value: { jobId: 'batch_1', tenant: 'a' } };

describe('a record', () => {
  test('is opened as it was sealed, with producer, sequence and time', () => {
    const sealer = new RecordSealer('gateway-1/x', new ManualClock(1234));
    sealer.seal({ key: 'a', body });
    expect(openRecord(sealer.seal({ key: 'a', body, traceparent: '00-1-2-01' }))).toEqual({
      kind: 'event',
      event: { version: 1, producerId: 'gateway-1/x', sequence: 2n, unixMs: 1234n, traceparent: '00-1-2-01', body },
    });
  });

  test('that is too large is refused', () => {
    const sealer = new RecordSealer('p', new ManualClock());
    const large: EventBody = { $case: 'job', value: { jobId: 'x'.repeat(recordBytesMax), tenant: '' } };
    expect(() => sealer.seal({ key: 'a', body: large })).toThrow('the record of the event log cannot be read');
  });

  const event = { version: 1, producerId: 'p', sequence: 1n, unixMs: 0n, traceparent: '', body };
  const whole = encoded(event);
  test.each([
    { name: 'is cut off', bytes: whole.slice(0, whole.length - 3), reason: 'not an event' },
    { name: 'is text', bytes: new TextEncoder().encode('{"job":1}'), reason: 'not an event' },
    { name: 'is empty', bytes: new Uint8Array(), reason: 'not an event' },
    { name: 'names no producer', bytes: encoded({ ...event, producerId: '' }), reason: 'not an event' },
    { name: 'has a version of tomorrow', bytes: encoded({ ...event, version: 2 }), reason: 'unknown version' },
    { name: 'has a body of tomorrow', bytes: encoded({ ...event, body: undefined }), reason: 'unknown body' },
  ])('that $name is unreadable', ({ bytes, reason }) => {
    expect(openRecord(bytes)).toEqual({ kind: 'unreadable', reason });
  });

  test('whatever the bytes are, opening them ends with an answer', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => expect(openRecord(bytes).kind).toBeDefined()));
  });
});

test('keys spread over the parts of a topic, each always in the same one', () => {
  const parts = Array.from({ length: 400 }, (_, i) => partitionOf(`pod-${i}`, 4));
  for (const part of [0, 1, 2, 3]) expect(parts.filter((one) => one === part).length).toBeGreaterThan(50);
  expect(parts).toEqual(Array.from({ length: 400 }, (_, i) => partitionOf(`pod-${i}`, 4)));
});

function encoded(event: wire.Event): Uint8Array {
  return wire.Event.encode(event).finish();
}
