import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatTraceparent, parseTraceparent, traceFields } from './traceparent.js';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

describe('traceparent', () => {
  test.each([
    { name: 'sampled', text: `00-${traceId}-${spanId}-01`, isSampled: true },
    { name: 'not sampled', text: `00-${traceId}-${spanId}-00`, isSampled: false },
    { name: 'of a later version, with more at its end', text: `cc-${traceId}-${spanId}-03-more`, isSampled: true },
  ])('$name', ({ text, isSampled }) => expect(parseTraceparent(text)).toEqual({ traceId, spanId, isSampled }));

  test.each([
    '',
    'garbage',
    `ff-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}-1`,
  ])('%j is none', (text) => expect(parseTraceparent(text)).toBeUndefined());

  test('reads what it writes', () => {
    const hex = (digits: number) =>
      fc
        .bigInt({ min: 1n, max: (1n << BigInt(digits * 4)) - 1n })
        .map((value) => value.toString(16).padStart(digits, '0'));
    const contexts = fc.record({ traceId: hex(32), spanId: hex(16), isSampled: fc.boolean() });
    fc.assert(
      fc.property(contexts, (context) => expect(parseTraceparent(formatTraceparent(context))).toEqual(context)),
    );
  });

  test('a log line names the trace where there is one', () => {
    expect([traceFields(`00-${traceId}-${spanId}-00`), traceFields('')]).toEqual([{ traceId }, {}]);
  });
});
